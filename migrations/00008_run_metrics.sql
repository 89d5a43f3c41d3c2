-- +goose Up
-- The numbers inside the JSON columns of runs, one a row, so that a filter or a sort by any of them is an index scan.
-- They are rewritten by RefreshRunMetrics in the transaction that writes the run.
CREATE TABLE walkforward_run_metrics (
    run_id uuid NOT NULL,
    key text NOT NULL,
    value double precision NOT NULL,
    CONSTRAINT walkforward_run_metrics_pkey PRIMARY KEY (run_id, key) INCLUDE (value),
    CONSTRAINT walkforward_run_metrics_run_id_fkey FOREIGN KEY (run_id)
    REFERENCES walkforward_runs (run_id) ON DELETE CASCADE
);

COMMENT ON TABLE walkforward_run_metrics IS 'The top-level numbers of a run''s summary_metrics, hyperparameters and walk_config.';
COMMENT ON COLUMN walkforward_run_metrics.key IS 'Column and key, as in summary_metrics.pf_long.';

-- Serves MatchRunsByMetric, SortRunsByMetric and SortRunsByMetricDesc.
CREATE INDEX walkforward_run_metrics_value_idx ON walkforward_run_metrics (key, value, run_id);

INSERT INTO walkforward_run_metrics (run_id, key, value)
SELECT r.run_id, c.name || '.' || e.key, e.value::text::double precision
FROM walkforward_runs AS r
CROSS JOIN LATERAL (VALUES
    ('summary_metrics', r.summary_metrics), ('hyperparameters', r.hyperparameters), ('walk_config', r.walk_config)
) AS c (name, object)
CROSS JOIN LATERAL jsonb_each(c.object) AS e (key, value)
WHERE jsonb_typeof(e.value) = 'number' AND abs(e.value::text::numeric) < 1.7e308;

-- +goose Down
DROP TABLE walkforward_run_metrics;
