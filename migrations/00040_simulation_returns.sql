-- +goose Up
-- What simulations returned, day by day. A row is computed, and can be computed again; it has no foreign key, because the returns of a
-- simulation that was deleted still count among the trials of its search.
CREATE TABLE simulation_returns (
    simulation_id uuid NOT NULL,
    run_id uuid NOT NULL,
    made_from text NOT NULL,
    basis text NOT NULL,
    why text,
    days integer[] NOT NULL,
    returns double precision[] NOT NULL,
    exposure double precision NOT NULL,
    turnover double precision NOT NULL,
    buy_and_hold double precision,
    computed_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT simulation_returns_pkey PRIMARY KEY (simulation_id),
    CONSTRAINT simulation_returns_basis_check CHECK (basis IN ('mark', 'realised')),
    CONSTRAINT simulation_returns_days_check CHECK (cardinality(days) = cardinality(returns))
);
COMMENT ON TABLE simulation_returns IS 'What simulations returned, day by day.';
COMMENT ON COLUMN simulation_returns.made_from IS 'The states of the trades, the folds and the bars that the row was computed from.';
COMMENT ON COLUMN simulation_returns.basis IS 'mark: open trades are valued at the end of each day; realised: trades count when they end.';
COMMENT ON COLUMN simulation_returns.why IS 'Why open trades are not valued.';
COMMENT ON COLUMN simulation_returns.days IS 'The UTC days that have bars, counted from 1970; without bars all days.';
COMMENT ON COLUMN simulation_returns.exposure IS 'Share of the time in which a trade is open.';
COMMENT ON COLUMN simulation_returns.turnover IS 'Changes of the position in a day, in units of the equity.';
COMMENT ON COLUMN simulation_returns.buy_and_hold IS 'What the same days returned to whoever bought at their beginning and held.';
-- Serves ListFamilyReturns, for the runs that were deleted.
CREATE INDEX simulation_returns_run_id_idx ON simulation_returns (run_id);

-- +goose Down
DROP TABLE simulation_returns;
