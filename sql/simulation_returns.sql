-- name: ListSimulationReturns :many
-- ListSimulationReturns returns, in the order of their ids, what is stored of the daily returns of simulations with the states that they have
-- to be made from: the version of the simulation and the window in which its run was tested. Called by the routes of the statistics and
-- by the job that computes returns. At most as many rows as ids.
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

-- name: StoreSimulationReturns :exec
-- StoreSimulationReturns stores the daily returns of a simulation that is still there.
-- Called by the job that computes returns, and by the routes that find none.
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
