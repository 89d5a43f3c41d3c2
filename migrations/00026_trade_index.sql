-- +goose Up
ALTER TABLE simulation_trades ADD COLUMN trade_index bigint NOT NULL DEFAULT 0;

COMMENT ON COLUMN simulation_trades.trade_index IS 'Order of trades of one time: as the writer numbers them, else their place in the request.';

-- Until now the number was left among the other things that the writer knows.
UPDATE simulation_trades
SET trade_index = (metadata ->> 'trade_index')::bigint
WHERE metadata ->> 'trade_index' ~ '^[0-9]{1,15}$';

-- Serves ListTradePage and ListTradeReturns.
CREATE INDEX simulation_trades_order_idx ON simulation_trades (simulation_id, bar_timestamp, trade_index, trade_id);
DROP INDEX simulation_trades_bar_timestamp_idx;

-- +goose Down
CREATE INDEX simulation_trades_bar_timestamp_idx ON simulation_trades (simulation_id, bar_timestamp, trade_id);
DROP INDEX simulation_trades_order_idx;
ALTER TABLE simulation_trades DROP COLUMN trade_index;
