-- name: CopyFolds :copyfrom
-- CopyFolds stores folds by COPY. Called by the writes of runs and by the seed.
-- index: walkforward_folds_pkey. cost: the rows given.
INSERT INTO walkforward_folds (
    run_id, fold_number, train_start_idx, train_end_idx, test_start_idx, test_end_idx, samples_train, samples_test,
    best_iteration, best_score, thresholds, metrics,
    train_start_ts_ms, train_end_ts_ms, test_start_ts_ms, test_end_ts_ms
) VALUES (
    @run_id, @fold_number, @train_start_idx, @train_end_idx, @test_start_idx, @test_end_idx, @samples_train, @samples_test,
    @best_iteration, @best_score, @thresholds, @metrics,
    @train_start_ts_ms, @train_end_ts_ms, @test_start_ts_ms, @test_end_ts_ms
);

-- name: DeleteFolds :one
-- DeleteFolds removes the folds of one run, and returns how many of them are not among some numbers. Called by the writes of runs and
-- by the seed before CopyFolds.
-- index: walkforward_folds_pkey. cost: the folds of the run.
WITH gone AS (
    DELETE FROM walkforward_folds
    WHERE run_id = @run_id
    RETURNING fold_number
)
SELECT count(*)::bigint AS lost
FROM gone AS g
WHERE NOT EXISTS (SELECT FROM unnest(@kept::integer[]) AS k (fold_number) WHERE k.fold_number = g.fold_number);

-- name: DeleteFoldsByNumber :execrows
-- DeleteFoldsByNumber removes some folds of one run before CopyFolds puts newer ones there. Called by POST /api/runs/{id}/folds.
-- index: walkforward_folds_pkey. cost: the folds named.
DELETE FROM walkforward_folds
WHERE run_id = @run_id AND fold_number = ANY(@fold_numbers::integer[]);

-- name: ListFoldBounds :many
-- @sqlc-vet-disable list-has-limit
-- ListFoldBounds returns the ranges and thresholds of all folds of one run by number. Called by the predictions of a run,
-- with=folds. Not limited: predictions without their folds' thresholds cannot be read.
-- index: walkforward_folds_pkey. cost: the folds of the run.
SELECT
    fold_number,
    train_start_idx,
    train_end_idx,
    test_start_idx,
    test_end_idx,
    train_start_ts_ms,
    train_end_ts_ms,
    test_start_ts_ms,
    test_end_ts_ms,
    thresholds
FROM walkforward_folds
WHERE run_id = @run_id
ORDER BY fold_number;

-- name: ListFoldGaps :many
-- ListFoldGaps returns folds of one run that lack a time and whose rows are among the first so many of the dataset.
-- Called after rows were added.
-- index: walkforward_folds_pkey. cost: the folds of the run.
SELECT
    fold_number,
    train_start_idx,
    train_end_idx,
    test_start_idx,
    test_end_idx
FROM walkforward_folds
WHERE
    run_id = @run_id
    AND greatest(train_end_idx, test_end_idx) <= @row_count::bigint
    AND least(train_start_idx, train_end_idx, test_start_idx, test_end_idx) >= 0
    AND num_nulls(train_start_ts_ms, train_end_ts_ms, test_start_ts_ms, test_end_ts_ms) > 0
ORDER BY fold_number
LIMIT @page_size::int;

-- name: ListFoldPage :batchmany
-- ListFoldPage returns some folds of one run by number, from a fold number on when after is 0 or more; a batch form, so that
-- it travels with GetRun. Called by GET /api/runs/{id}, /api/runs/{id}/folds and /api/walkforward/runs/{id}/folds.
-- index: walkforward_folds_pkey. cost: page_offset + page_size rows.
SELECT *
FROM walkforward_folds
WHERE run_id = @run_id AND fold_number > @after::integer
ORDER BY fold_number
LIMIT @page_size::int OFFSET @page_offset::bigint;

-- name: ListFolds :batchmany
-- @sqlc-vet-disable list-has-limit
-- ListFolds returns all folds of one run by number; a batch form, so that it travels with GetRun.
-- Called by GET /api/walkforward/runs/{id}. Not limited: a run detail without all its folds is wrong.
-- index: walkforward_folds_pkey. cost: the folds of the run.
SELECT *
FROM walkforward_folds
WHERE run_id = @run_id
ORDER BY fold_number;

-- name: SetFoldTimes :execrows
-- SetFoldTimes fills the times that folds of one run lack. Called after rows were added.
-- index: walkforward_folds_pkey. cost: the folds named.
UPDATE walkforward_folds AS f SET
    train_start_ts_ms = coalesce(f.train_start_ts_ms, t.train_start_ts_ms),
    train_end_ts_ms = coalesce(f.train_end_ts_ms, t.train_end_ts_ms),
    test_start_ts_ms = coalesce(f.test_start_ts_ms, t.test_start_ts_ms),
    test_end_ts_ms = coalesce(f.test_end_ts_ms, t.test_end_ts_ms)
FROM (
    SELECT
        unnest(@fold_numbers::integer[]) AS fold_number,
        unnest(@train_starts::bigint[]) AS train_start_ts_ms,
        unnest(@train_ends::bigint[]) AS train_end_ts_ms,
        unnest(@test_starts::bigint[]) AS test_start_ts_ms,
        unnest(@test_ends::bigint[]) AS test_end_ts_ms
) AS t
WHERE f.run_id = @run_id AND f.fold_number = t.fold_number;
