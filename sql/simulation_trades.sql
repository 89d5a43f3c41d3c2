-- name: CopyTrades :copyfrom
-- CopyTrades stores trades by COPY. Called by the writes of simulations and by the seed.
-- index: simulation_trades_pkey. cost: the rows given.
INSERT INTO simulation_trades (
    simulation_id, trade_id, bar_timestamp, side, size, entry_price, exit_price, pnl, return_pct, metadata, trade_index
) VALUES (
    @simulation_id, @trade_id, @bar_timestamp, @side, @size, @entry_price, @exit_price, @pnl, @return_pct, @metadata, @trade_index
);

-- name: CountTrades :one
-- CountTrades counts the trades of one simulation, of one side if that is given. Called for the totals of its lists.
-- index: any of simulation_trades. cost: an index scan of the trades of the simulation.
SELECT count(*)::bigint AS total
FROM simulation_trades
WHERE
    simulation_id = @simulation_id
    AND (sqlc.narg('side')::text IS NULL OR side = sqlc.narg('side'));

-- name: DeleteTrades :execrows
-- DeleteTrades removes the trades of one simulation. Called by the writes of simulations and by the seed before CopyTrades.
-- index: any of simulation_trades. cost: the trades of the simulation.
DELETE FROM simulation_trades
WHERE simulation_id = @simulation_id;

-- name: ListTradePage :many
-- ListTradePage returns trades of one simulation by entry time and then in the order in which they were sent, of one side if that is given, from
-- a cursor on when one is given.
-- Called by GET /api/simulations/{id}/trades and /api/tradesim/runs/{id}/trades.
-- index: simulation_trades_order_idx. cost: page_offset + page_size rows, and those of the other side between them.
SELECT
    t.*,
    epoch_ms(t.bar_timestamp)::bigint AS bar_timestamp_ms
FROM simulation_trades AS t
WHERE
    t.simulation_id = @simulation_id
    AND (sqlc.narg('side')::text IS NULL OR t.side = sqlc.narg('side'))
    AND (t.bar_timestamp, t.trade_index, t.trade_id) > (@after_at::timestamptz, @after_index::bigint, @after_id::uuid)
ORDER BY t.bar_timestamp, t.trade_index, t.trade_id
LIMIT @page_size::int OFFSET @page_offset::bigint;

-- name: ListTradeReturns :many
-- ListTradeReturns returns what the trades of one simulation earned, by entry time and then in the order in which they were
-- sent. Times are in microseconds; an exit time that the metadata does not have as a number is 0, a missing return is NaN.
-- Called by GET /api/simulations/{id}/equity.
-- index: simulation_trades_order_idx. cost: the trades of the simulation, page_size at most.
SELECT
    (extract(EPOCH FROM bar_timestamp) * 1000000)::bigint AS entered,
    CASE
        WHEN jsonb_typeof(metadata -> 'exit_timestamp') = 'number'
            THEN least(greatest((metadata ->> 'exit_timestamp')::numeric, 0), 1e15)::bigint * 1000
        ELSE 0
    END::bigint AS exited,
    (side = 'long')::bool AS is_long,
    entry_price,
    coalesce(return_pct, 'NaN')::float8 AS percent
FROM simulation_trades
WHERE simulation_id = @simulation_id
ORDER BY bar_timestamp, trade_index, trade_id
LIMIT @page_size::int;

-- name: ListTrades :many
-- ListTrades returns trades of one simulation by entry time. Called by the seed, which reads back what it wrote.
-- index: simulation_trades_order_idx. cost: page_offset + page_size rows.
SELECT *
FROM simulation_trades
WHERE simulation_id = @simulation_id
ORDER BY bar_timestamp, trade_index, trade_id
LIMIT @page_size::int OFFSET @page_offset::bigint;
