-- +goose Up
CREATE TABLE walkforward_folds (
    run_id uuid NOT NULL,
    fold_number integer NOT NULL,
    train_start_idx bigint NOT NULL,
    train_end_idx bigint NOT NULL,
    test_start_idx bigint NOT NULL,
    test_end_idx bigint NOT NULL,
    samples_train bigint NOT NULL,
    samples_test bigint NOT NULL,
    best_iteration integer,
    best_score double precision,
    thresholds jsonb NOT NULL DEFAULT '{}',
    metrics jsonb NOT NULL DEFAULT '{}',
    train_start_ts_ms bigint,
    train_end_ts_ms bigint,
    test_start_ts_ms bigint,
    test_end_ts_ms bigint,
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT walkforward_folds_pkey PRIMARY KEY (run_id, fold_number),
    CONSTRAINT walkforward_folds_run_id_fkey FOREIGN KEY (run_id)
    REFERENCES walkforward_runs (run_id) ON DELETE CASCADE,
    CONSTRAINT walkforward_folds_fold_number_check CHECK (fold_number >= 0),
    CONSTRAINT walkforward_folds_train_idx_check CHECK (train_end_idx >= train_start_idx),
    CONSTRAINT walkforward_folds_test_idx_check CHECK (test_end_idx >= test_start_idx),
    CONSTRAINT walkforward_folds_samples_train_check CHECK (samples_train >= 0),
    CONSTRAINT walkforward_folds_samples_test_check CHECK (samples_test >= 0),
    CONSTRAINT walkforward_folds_thresholds_check CHECK (jsonb_typeof(thresholds) = 'object'),
    CONSTRAINT walkforward_folds_metrics_check CHECK (jsonb_typeof(metrics) = 'object')
);

COMMENT ON TABLE walkforward_folds IS 'One fold of a walk-forward run: the window it was trained on, the window it was tested on, and how it did.';
COMMENT ON COLUMN walkforward_folds.train_start_idx IS 'First row of the training window, counted from 0 in the data set.';
COMMENT ON COLUMN walkforward_folds.train_end_idx IS 'Row after the last one of the training window.';
COMMENT ON COLUMN walkforward_folds.test_start_idx IS 'First row of the test window, counted from 0 in the data set.';
COMMENT ON COLUMN walkforward_folds.test_end_idx IS 'Row after the last one of the test window.';
COMMENT ON COLUMN walkforward_folds.best_iteration IS 'Boosting round that scored best; null when the model has none.';
COMMENT ON COLUMN walkforward_folds.best_score IS 'Validation score of that round; null when the model has none.';
COMMENT ON COLUMN walkforward_folds.thresholds IS 'Decision thresholds by name; names are the writer''s.';
COMMENT ON COLUMN walkforward_folds.metrics IS 'Figures of the test window by name; names are the writer''s.';
COMMENT ON COLUMN walkforward_folds.train_start_ts_ms IS 'Time of the first training row, in milliseconds since the epoch.';
COMMENT ON COLUMN walkforward_folds.train_end_ts_ms IS 'Time where the training window ends, in milliseconds since the epoch.';
COMMENT ON COLUMN walkforward_folds.test_start_ts_ms IS 'Time of the first test row, in milliseconds since the epoch.';
COMMENT ON COLUMN walkforward_folds.test_end_ts_ms IS 'Time where the test window ends, in milliseconds since the epoch.';

-- +goose Down
DROP TABLE walkforward_folds;
