-- name: CopyFolds :copyfrom
-- CopyFolds stores folds by COPY. Called by the seed.
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

-- name: DeleteFolds :execrows
-- DeleteFolds removes the folds of one run. Called by the seed before CopyFolds.
-- index: walkforward_folds_pkey. cost: the folds of the run.
DELETE FROM walkforward_folds
WHERE run_id = @run_id;

-- name: ListFolds :batchmany
-- @sqlc-vet-disable list-has-limit
-- ListFolds returns all folds of one run by number; a batch form, so that it travels with GetRun.
-- Called by GET /api/walkforward/runs/{id}. Not limited: a run detail without all its folds is wrong.
-- index: walkforward_folds_pkey. cost: the folds of the run.
SELECT *
FROM walkforward_folds
WHERE run_id = @run_id
ORDER BY fold_number;
