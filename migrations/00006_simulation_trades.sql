-- +goose Up
CREATE TABLE simulation_trades (
    simulation_id uuid NOT NULL,
    trade_id uuid NOT NULL DEFAULT gen_random_uuid(),
    bar_timestamp timestamptz NOT NULL,
    side text NOT NULL,
    size double precision NOT NULL,
    entry_price double precision NOT NULL,
    exit_price double precision,
    pnl double precision,
    return_pct double precision,
    metadata jsonb NOT NULL DEFAULT '{}',
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT simulation_trades_pkey PRIMARY KEY (simulation_id, trade_id),
    CONSTRAINT simulation_trades_simulation_id_fkey FOREIGN KEY (simulation_id)
    REFERENCES simulation_runs (simulation_id) ON DELETE CASCADE,
    CONSTRAINT simulation_trades_side_check CHECK (side IN ('long', 'short')),
    CONSTRAINT simulation_trades_metadata_check CHECK (jsonb_typeof(metadata) = 'object')
);

COMMENT ON TABLE simulation_trades IS 'One trade of a simulation.';
COMMENT ON COLUMN simulation_trades.bar_timestamp IS 'Time of the bar on which the trade was entered.';
COMMENT ON COLUMN simulation_trades.size IS 'Quantity traded, in units of the base asset.';
COMMENT ON COLUMN simulation_trades.pnl IS 'Profit or loss after fees, in the quote currency.';
COMMENT ON COLUMN simulation_trades.return_pct IS 'Return after fees, in percent of the position at entry.';
COMMENT ON COLUMN simulation_trades.metadata IS 'What else the writer knows of the trade: fold_index, entry_signal, exit_signal, exit_timestamp.';

-- Serves ListTrades.
CREATE INDEX simulation_trades_bar_timestamp_idx ON simulation_trades (simulation_id, bar_timestamp, trade_id);

-- +goose Down
DROP TABLE simulation_trades;
