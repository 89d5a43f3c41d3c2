-- +goose Up
CREATE TABLE simulation_runs (
    simulation_id uuid NOT NULL DEFAULT gen_random_uuid(),
    run_id uuid NOT NULL,
    dataset_id uuid NOT NULL,
    input_run_measurement text NOT NULL DEFAULT '',
    questdb_namespace text NOT NULL DEFAULT 'trading_sim_traces',
    mode text NOT NULL,
    config jsonb NOT NULL DEFAULT '{}',
    summary_metrics jsonb NOT NULL DEFAULT '{}',
    status text NOT NULL DEFAULT 'PENDING',
    started_at timestamptz,
    completed_at timestamptz,
    serialized_config text,
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT simulation_runs_pkey PRIMARY KEY (simulation_id),
    -- No action: a simulation is a result of its own, so a run that has some cannot be deleted;
    -- deleting the data set removes both.
    CONSTRAINT simulation_runs_run_id_fkey FOREIGN KEY (run_id)
    REFERENCES walkforward_runs (run_id) ON DELETE NO ACTION,
    CONSTRAINT simulation_runs_dataset_id_fkey FOREIGN KEY (dataset_id)
    REFERENCES indicator_datasets (dataset_id) ON DELETE CASCADE,
    CONSTRAINT simulation_runs_mode_check CHECK (mode IN ('long', 'short', 'dual')),
    CONSTRAINT simulation_runs_config_check CHECK (jsonb_typeof(config) = 'object'),
    CONSTRAINT simulation_runs_summary_metrics_check CHECK (jsonb_typeof(summary_metrics) = 'object'),
    CONSTRAINT simulation_runs_status_check CHECK (
        status IN ('PENDING', 'QUEUED', 'RUNNING', 'COMPLETED', 'INCOMPLETE', 'FAILED', 'CANCELLED')
    )
);

COMMENT ON TABLE simulation_runs IS 'A trading simulation over the predictions of one walk-forward run.';
COMMENT ON COLUMN simulation_runs.input_run_measurement IS 'QuestDB table of the predictions that were traded.';
COMMENT ON COLUMN simulation_runs.questdb_namespace IS 'QuestDB table of the trace.';
COMMENT ON COLUMN simulation_runs.mode IS 'Sides that were traded: long, short, or dual for both.';
COMMENT ON COLUMN simulation_runs.config IS 'Settings of the simulation; names are the writer''s.';
COMMENT ON COLUMN simulation_runs.summary_metrics IS 'Figures over all trades; names are the writer''s.';
COMMENT ON COLUMN simulation_runs.serialized_config IS 'The configuration as clipboard text, returned verbatim.';

-- Serves ListSimulationsByRun.
CREATE INDEX simulation_runs_run_id_idx ON simulation_runs (run_id, created_at DESC, simulation_id);
-- Serves ListSimulationsByDataset and the cascade from indicator_datasets.
CREATE INDEX simulation_runs_dataset_id_idx ON simulation_runs (dataset_id, created_at DESC, simulation_id);
-- Serves ListSimulations.
CREATE INDEX simulation_runs_created_at_idx ON simulation_runs (created_at DESC, simulation_id);
-- Serves ListSimulationsByStatus.
CREATE INDEX simulation_runs_status_idx ON simulation_runs (status, created_at DESC, simulation_id);
-- For scripts that know a table of traces and look for its simulation; no query of the service needs it.
CREATE INDEX simulation_runs_questdb_namespace_idx ON simulation_runs (questdb_namespace);

-- +goose Down
DROP TABLE simulation_runs;
