-- name: GetReturnsPosition :one
-- GetReturnsPosition returns how far the daily returns follow the events, and the number of the last event. Called by the follower, which
-- computes returns, every second.
-- index: none, the tables have a row each. cost: 2 rows.
SELECT p.seq, p.upto, p.after_id, c.seq AS last
FROM returns_position AS p
CROSS JOIN event_counter AS c
WHERE p.single AND c.single;

-- name: ListSimulationReturns :many
-- ListSimulationReturns returns, in the order of their ids, what is stored of the daily returns of simulations with the states that they have
-- to be made from: the version of the simulation and the window in which its run was tested. Called by the routes of the statistics and
-- by the follower. At most as many rows as ids.
-- index: simulation_runs_pkey, walkforward_folds_pkey. cost: the rows of the simulations and an index scan of the folds of each run.
-- @sqlc-vet-disable list-has-limit
SELECT
    s.simulation_id,
    s.run_id,
    s.dataset_id,
    s.version,
    w.tested_from,
    w.tested_to,
    coalesce(r.made_from, '')::text AS made_from,
    coalesce(r.basis, '')::text AS basis,
    coalesce(r.why, '')::text AS why,
    r.days,
    r.returns,
    coalesce(r.exposure, 0)::float8 AS exposure,
    coalesce(r.turnover, 0)::float8 AS turnover,
    r.buy_and_hold
FROM simulation_runs AS s
LEFT JOIN simulation_returns AS r ON s.simulation_id = r.simulation_id
CROSS JOIN LATERAL (
    SELECT
        coalesce(min(f.test_start_ts_ms), 0)::bigint AS tested_from,
        coalesce(max(f.test_end_ts_ms), 0)::bigint AS tested_to
    FROM walkforward_folds AS f
    WHERE f.run_id = s.run_id
) AS w
WHERE s.simulation_id = ANY(@ids::uuid[])
ORDER BY s.simulation_id;

-- name: ListSimulationsToFollow :many
-- ListSimulationsToFollow returns simulations behind one, of which events tell that their trades, the folds of their run or the bars of their
-- dataset may have changed, in the order of their ids. Called by the follower.
-- index: events_seq_idx, simulation_runs_run_id_idx, simulation_runs_dataset_id_idx. cost: the events, at most 1000, and the simulations
-- of their runs and datasets.
WITH changed AS MATERIALIZED (
    SELECT DISTINCT e.topic, e.subject_id
    FROM events AS e
    WHERE
        e.seq > @seq::bigint AND e.seq <= @upto::bigint AND e.kind <> 'deleted'
        AND (e.topic IN ('simulations', 'runs') OR e.topic = 'datasets' AND (e.kind <> 'rows' OR e.data ->> 'series' = 'ohlcv'))
), found AS (
    SELECT c.subject_id AS simulation_id FROM changed AS c WHERE c.topic = 'simulations'
    UNION
    SELECT s.simulation_id FROM changed AS c INNER JOIN simulation_runs AS s ON c.subject_id = s.run_id WHERE c.topic = 'runs'
    UNION
    SELECT s.simulation_id FROM changed AS c INNER JOIN simulation_runs AS s ON c.subject_id = s.dataset_id WHERE c.topic = 'datasets'
)
SELECT found.simulation_id::uuid AS simulation_id
FROM found
WHERE found.simulation_id > @after_id::uuid
ORDER BY found.simulation_id
LIMIT @page_size::int;

-- name: SetReturnsPosition :execrows
-- SetReturnsPosition notes how far the daily returns follow the events, unless another process did meanwhile. Called by the follower.
-- index: none, the table has one row. cost: 1 row.
UPDATE returns_position SET seq = @seq, upto = @upto, after_id = @after_id
WHERE single AND seq = @former_seq AND after_id = @former_after_id;

-- name: StoreSimulationReturns :exec
-- StoreSimulationReturns stores the daily returns of a simulation that is still there.
-- Called by the follower, and by the routes that find none.
-- index: simulation_runs_pkey. cost: 1 row.
INSERT INTO simulation_returns (
    simulation_id, run_id, made_from, basis, why, days, returns, exposure, turnover, buy_and_hold
)
SELECT
    s.simulation_id, s.run_id, @made_from::text, @basis::text, sqlc.narg('why')::text, @days::integer[], @returns::float8[],
    @exposure::float8, @turnover::float8, sqlc.narg('buy_and_hold')::float8
FROM simulation_runs AS s
WHERE s.simulation_id = @simulation_id
ON CONFLICT (simulation_id) DO UPDATE SET
    run_id = excluded.run_id,
    made_from = excluded.made_from,
    basis = excluded.basis,
    why = excluded.why,
    days = excluded.days,
    returns = excluded.returns,
    exposure = excluded.exposure,
    turnover = excluded.turnover,
    buy_and_hold = excluded.buy_and_hold,
    computed_at = now();
