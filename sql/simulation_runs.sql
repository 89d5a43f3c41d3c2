-- name: CountSimulations :one
-- CountSimulations counts the simulations that their lists page through. Called for X-Total-Count when a page is full.
-- index: simulation_runs_pkey. cost: one pass over the simulations.
SELECT count(*)::bigint AS total
FROM simulation_runs
WHERE
    (sqlc.narg('run_id')::uuid IS NULL OR run_id = sqlc.narg('run_id'))
    AND (sqlc.narg('dataset_id')::uuid IS NULL OR dataset_id = sqlc.narg('dataset_id'))
    AND (sqlc.narg('status')::text IS NULL OR status = sqlc.narg('status'));

-- name: GetSimulation :batchone
-- GetSimulation returns one simulation; a batch form, so that it travels with ListBuckets.
-- Called by GET /api/tradesim/runs/{id}.
-- index: simulation_runs_pkey. cost: 1 row.
SELECT *
FROM simulation_runs
WHERE simulation_id = @simulation_id;

-- name: ListSimulations :many
-- ListSimulations returns simulations, newest first. Called by GET /api/tradesim/runs.
-- index: simulation_runs_created_at_idx. cost: page_offset + page_size rows.
SELECT *
FROM simulation_runs
ORDER BY created_at DESC, simulation_id
LIMIT @page_size::int OFFSET @page_offset::bigint;

-- name: ListSimulationsByDataset :many
-- ListSimulationsByDataset returns the simulations of one data set, newest first, in one status if that is given.
-- Called by GET /api/tradesim/runs?dataset_id=.
-- index: simulation_runs_dataset_id_idx. cost: page_offset + page_size rows, more when the status skips some.
SELECT *
FROM simulation_runs
WHERE
    dataset_id = @dataset_id
    AND (sqlc.narg('status')::text IS NULL OR status = sqlc.narg('status'))
ORDER BY created_at DESC, simulation_id
LIMIT @page_size::int OFFSET @page_offset::bigint;

-- name: ListSimulationsByRun :many
-- ListSimulationsByRun returns the simulations of one run, newest first, of one data set and in one status if those are given.
-- Called by GET /api/tradesim/runs?run_id=.
-- index: simulation_runs_run_id_idx. cost: page_offset + page_size rows, more when a filter skips some.
SELECT *
FROM simulation_runs
WHERE
    run_id = @run_id
    AND (sqlc.narg('dataset_id')::uuid IS NULL OR dataset_id = sqlc.narg('dataset_id'))
    AND (sqlc.narg('status')::text IS NULL OR status = sqlc.narg('status'))
ORDER BY created_at DESC, simulation_id
LIMIT @page_size::int OFFSET @page_offset::bigint;

-- name: ListSimulationsByStatus :many
-- ListSimulationsByStatus returns the simulations in one status, newest first. Called by GET /api/tradesim/runs?status=.
-- index: simulation_runs_status_idx. cost: page_offset + page_size rows.
SELECT *
FROM simulation_runs
WHERE status = @status
ORDER BY created_at DESC, simulation_id
LIMIT @page_size::int OFFSET @page_offset::bigint;

-- name: UpsertSimulation :one
-- UpsertSimulation creates a simulation or replaces all of it but created_at. Called by the seed.
-- index: simulation_runs_pkey. cost: 1 row.
INSERT INTO simulation_runs (
    simulation_id, run_id, dataset_id, input_run_measurement, questdb_namespace, mode, config, summary_metrics,
    status, started_at, completed_at, serialized_config
) VALUES (
    @simulation_id, @run_id, @dataset_id, @input_run_measurement, @questdb_namespace, @mode, @config, @summary_metrics,
    @status, @started_at, @completed_at, @serialized_config
)
ON CONFLICT (simulation_id) DO UPDATE SET
    run_id = excluded.run_id,
    dataset_id = excluded.dataset_id,
    input_run_measurement = excluded.input_run_measurement,
    questdb_namespace = excluded.questdb_namespace,
    mode = excluded.mode,
    config = excluded.config,
    summary_metrics = excluded.summary_metrics,
    status = excluded.status,
    started_at = excluded.started_at,
    completed_at = excluded.completed_at,
    serialized_config = excluded.serialized_config
RETURNING (xmax = 0)::boolean AS created;
