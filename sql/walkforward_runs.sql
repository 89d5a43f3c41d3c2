-- name: CountRuns :one
-- CountRuns counts the runs that the lists of runs page through. Called for X-Total-Count when a page is full.
-- index: walkforward_runs_pkey. cost: one pass over the runs.
SELECT count(*)::bigint AS total
FROM walkforward_runs
WHERE
    (sqlc.narg('dataset_id')::uuid IS NULL OR dataset_id = sqlc.narg('dataset_id'))
    AND (sqlc.narg('status')::text IS NULL OR status = sqlc.narg('status'));

-- name: GetRun :batchone
-- GetRun returns one run; a batch form, so that it travels with ListFolds. Called by GET /api/walkforward/runs/{id}.
-- index: walkforward_runs_pkey, walkforward_folds_pkey. cost: 1 row and an index scan of its folds.
SELECT
    r.*,
    d.questdb_tag AS dataset_slug,
    (SELECT count(*) FROM walkforward_folds AS f WHERE f.run_id = r.run_id)::bigint AS fold_count
FROM walkforward_runs AS r
INNER JOIN indicator_datasets AS d ON r.dataset_id = d.dataset_id
WHERE r.run_id = @run_id;

-- name: ListRuns :many
-- ListRuns returns runs, newest first. Called by GET /api/walkforward/runs.
-- index: walkforward_runs_created_at_idx, walkforward_folds_pkey. cost: page_offset + page_size rows and an index scan of their folds.
SELECT
    r.*,
    d.questdb_tag AS dataset_slug,
    (SELECT count(*) FROM walkforward_folds AS f WHERE f.run_id = r.run_id)::bigint AS fold_count
FROM walkforward_runs AS r
INNER JOIN indicator_datasets AS d ON r.dataset_id = d.dataset_id
ORDER BY r.created_at DESC, r.run_id
LIMIT @page_size::int OFFSET @page_offset::bigint;

-- name: ListRunsByDataset :many
-- ListRunsByDataset returns the runs of one data set, newest first, in one status if that is given.
-- Called by GET /api/walkforward/runs?dataset_id=.
-- index: walkforward_runs_dataset_id_idx, walkforward_folds_pkey. cost: as ListRuns, within the data set.
SELECT
    r.*,
    d.questdb_tag AS dataset_slug,
    (SELECT count(*) FROM walkforward_folds AS f WHERE f.run_id = r.run_id)::bigint AS fold_count
FROM walkforward_runs AS r
INNER JOIN indicator_datasets AS d ON r.dataset_id = d.dataset_id
WHERE
    r.dataset_id = @dataset_id
    AND (sqlc.narg('status')::text IS NULL OR r.status = sqlc.narg('status'))
ORDER BY r.created_at DESC, r.run_id
LIMIT @page_size::int OFFSET @page_offset::bigint;

-- name: ListRunsByStatus :many
-- ListRunsByStatus returns the runs in one status, newest first. Called by GET /api/walkforward/runs?status=.
-- index: walkforward_runs_status_idx, walkforward_folds_pkey. cost: as ListRuns, within the status.
SELECT
    r.*,
    d.questdb_tag AS dataset_slug,
    (SELECT count(*) FROM walkforward_folds AS f WHERE f.run_id = r.run_id)::bigint AS fold_count
FROM walkforward_runs AS r
INNER JOIN indicator_datasets AS d ON r.dataset_id = d.dataset_id
WHERE r.status = @status
ORDER BY r.created_at DESC, r.run_id
LIMIT @page_size::int OFFSET @page_offset::bigint;

-- name: UpsertRun :one
-- UpsertRun creates a run or replaces all of it but created_at. Called by the seed.
-- index: walkforward_runs_pkey. cost: 1 row.
INSERT INTO walkforward_runs (
    run_id, dataset_id, prediction_measurement, target_column, feature_columns, hyperparameters, walk_config,
    summary_metrics, status, requested_by, started_at, completed_at, duration_ms, serialized_config
) VALUES (
    @run_id, @dataset_id, @prediction_measurement, @target_column, @feature_columns, @hyperparameters, @walk_config,
    @summary_metrics, @status, @requested_by, @started_at, @completed_at, @duration_ms, @serialized_config
)
ON CONFLICT (run_id) DO UPDATE SET
    dataset_id = excluded.dataset_id,
    prediction_measurement = excluded.prediction_measurement,
    target_column = excluded.target_column,
    feature_columns = excluded.feature_columns,
    hyperparameters = excluded.hyperparameters,
    walk_config = excluded.walk_config,
    summary_metrics = excluded.summary_metrics,
    status = excluded.status,
    requested_by = excluded.requested_by,
    started_at = excluded.started_at,
    completed_at = excluded.completed_at,
    duration_ms = excluded.duration_ms,
    serialized_config = excluded.serialized_config
RETURNING (xmax = 0)::boolean AS created;
