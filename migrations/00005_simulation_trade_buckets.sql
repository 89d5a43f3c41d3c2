-- +goose Up
CREATE TABLE simulation_trade_buckets (
    simulation_id uuid NOT NULL,
    side text NOT NULL,
    trade_count bigint NOT NULL DEFAULT 0,
    win_count bigint NOT NULL DEFAULT 0,
    profit_factor double precision,
    avg_return_pct double precision,
    max_drawdown_pct double precision,
    notes text,
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT simulation_trade_buckets_pkey PRIMARY KEY (simulation_id, side),
    CONSTRAINT simulation_trade_buckets_simulation_id_fkey FOREIGN KEY (simulation_id)
    REFERENCES simulation_runs (simulation_id) ON DELETE CASCADE,
    CONSTRAINT simulation_trade_buckets_side_check CHECK (side IN ('long', 'short', 'all', 'dual')),
    CONSTRAINT simulation_trade_buckets_trade_count_check CHECK (trade_count >= 0),
    CONSTRAINT simulation_trade_buckets_win_count_check CHECK (win_count BETWEEN 0 AND trade_count)
);

COMMENT ON TABLE simulation_trade_buckets IS 'The trades of a simulation summed up by side.';
COMMENT ON COLUMN simulation_trade_buckets.side IS 'long or short; all and dual are both together.';
COMMENT ON COLUMN simulation_trade_buckets.win_count IS 'Trades that ended with a gain.';
COMMENT ON COLUMN simulation_trade_buckets.profit_factor IS 'Sum of gains over sum of losses; null when there were no losses.';
COMMENT ON COLUMN simulation_trade_buckets.avg_return_pct IS 'Mean return of a trade, in percent.';
COMMENT ON COLUMN simulation_trade_buckets.max_drawdown_pct IS 'Deepest fall of the cumulative return from its peak, in percent, as a negative number.';

-- +goose Down
DROP TABLE simulation_trade_buckets;
