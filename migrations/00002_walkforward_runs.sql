-- +goose Up
CREATE TABLE walkforward_runs (
    run_id uuid NOT NULL DEFAULT gen_random_uuid(),
    dataset_id uuid NOT NULL,
    prediction_measurement text NOT NULL,
    target_column text NOT NULL DEFAULT '',
    feature_columns jsonb NOT NULL DEFAULT '[]',
    hyperparameters jsonb NOT NULL DEFAULT '{}',
    walk_config jsonb NOT NULL DEFAULT '{}',
    summary_metrics jsonb NOT NULL DEFAULT '{}',
    status text NOT NULL DEFAULT 'PENDING',
    requested_by text,
    started_at timestamptz,
    completed_at timestamptz,
    duration_ms bigint,
    serialized_config text,
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT walkforward_runs_pkey PRIMARY KEY (run_id),
    CONSTRAINT walkforward_runs_dataset_id_fkey FOREIGN KEY (dataset_id)
    REFERENCES indicator_datasets (dataset_id) ON DELETE CASCADE,
    CONSTRAINT walkforward_runs_feature_columns_check CHECK (jsonb_typeof(feature_columns) = 'array'),
    CONSTRAINT walkforward_runs_hyperparameters_check CHECK (jsonb_typeof(hyperparameters) = 'object'),
    CONSTRAINT walkforward_runs_walk_config_check CHECK (jsonb_typeof(walk_config) = 'object'),
    CONSTRAINT walkforward_runs_summary_metrics_check CHECK (jsonb_typeof(summary_metrics) = 'object'),
    CONSTRAINT walkforward_runs_status_check CHECK (
        status IN ('PENDING', 'QUEUED', 'RUNNING', 'COMPLETED', 'INCOMPLETE', 'FAILED', 'CANCELLED')
    ),
    CONSTRAINT walkforward_runs_duration_ms_check CHECK (duration_ms >= 0)
);

COMMENT ON TABLE walkforward_runs IS 'A walk-forward run: a model fitted and tested fold by fold along one data set.';
COMMENT ON COLUMN walkforward_runs.prediction_measurement IS 'QuestDB table of the predictions; it cannot be derived from the run id.';
COMMENT ON COLUMN walkforward_runs.target_column IS 'Column of the data set that the model predicts.';
COMMENT ON COLUMN walkforward_runs.feature_columns IS 'Names of the columns that the model reads.';
COMMENT ON COLUMN walkforward_runs.hyperparameters IS 'Settings of the model; names are the writer''s.';
COMMENT ON COLUMN walkforward_runs.walk_config IS 'Window lengths and steps in rows; names are the writer''s.';
COMMENT ON COLUMN walkforward_runs.summary_metrics IS 'Figures over all folds; names are the writer''s.';
COMMENT ON COLUMN walkforward_runs.duration_ms IS 'Run time in milliseconds.';
COMMENT ON COLUMN walkforward_runs.serialized_config IS 'The configuration as clipboard text, returned verbatim.';

-- Serves ListRunsByDataset and the cascade from indicator_datasets.
CREATE INDEX walkforward_runs_dataset_id_idx ON walkforward_runs (dataset_id, created_at DESC, run_id);
-- Serves ListRuns.
CREATE INDEX walkforward_runs_created_at_idx ON walkforward_runs (created_at DESC, run_id);
-- Serves ListRunsByStatus.
CREATE INDEX walkforward_runs_status_idx ON walkforward_runs (status, created_at DESC, run_id);
-- For scripts that know a table of predictions and look for its run; no query of the service needs it.
CREATE INDEX walkforward_runs_prediction_measurement_idx ON walkforward_runs (prediction_measurement);

-- +goose Down
DROP TABLE walkforward_runs;
