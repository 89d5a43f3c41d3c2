-- name: CopyBuckets :copyfrom
-- CopyBuckets stores buckets by COPY. Called by the writes of simulations and by the seed.
-- index: simulation_trade_buckets_pkey. cost: the rows given.
INSERT INTO simulation_trade_buckets (
    simulation_id, side, trade_count, win_count, profit_factor, avg_return_pct, max_drawdown_pct, notes
) VALUES (
    @simulation_id, @side, @trade_count, @win_count, @profit_factor, @avg_return_pct, @max_drawdown_pct, @notes
);

-- name: DeleteBuckets :execrows
-- DeleteBuckets removes the buckets of one simulation. Called by the writes of simulations and by the seed before CopyBuckets.
-- index: simulation_trade_buckets_pkey. cost: at most 4 rows.
DELETE FROM simulation_trade_buckets
WHERE simulation_id = @simulation_id;

-- name: ListBuckets :batchmany
-- @sqlc-vet-disable list-has-limit
-- ListBuckets returns the buckets of one simulation by side; a batch form, so that it travels with GetSimulation.
-- Called by GET /api/tradesim/runs/{id}. Bounded by the four sides there are.
-- index: simulation_trade_buckets_pkey. cost: at most 4 rows.
SELECT *
FROM simulation_trade_buckets
WHERE simulation_id = @simulation_id
ORDER BY side;
