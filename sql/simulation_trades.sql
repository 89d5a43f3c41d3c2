-- name: CopyTrades :copyfrom
-- CopyTrades stores trades by COPY. Called by the seed.
-- index: simulation_trades_pkey. cost: the rows given.
INSERT INTO simulation_trades (
    simulation_id, trade_id, bar_timestamp, side, size, entry_price, exit_price, pnl, return_pct, metadata
) VALUES (
    @simulation_id, @trade_id, @bar_timestamp, @side, @size, @entry_price, @exit_price, @pnl, @return_pct, @metadata
);

-- name: DeleteTrades :execrows
-- DeleteTrades removes the trades of one simulation. Called by the seed before CopyTrades.
-- index: simulation_trades_bar_timestamp_idx. cost: the trades of the simulation.
DELETE FROM simulation_trades
WHERE simulation_id = @simulation_id;

-- name: ListTrades :many
-- ListTrades returns trades of one simulation by entry time. Called by the seed, which reads back what it wrote.
-- index: simulation_trades_bar_timestamp_idx. cost: page_offset + page_size rows.
SELECT *
FROM simulation_trades
WHERE simulation_id = @simulation_id
ORDER BY bar_timestamp, trade_id
LIMIT @page_size::int OFFSET @page_offset::bigint;
