-- +goose Up
-- +goose StatementBegin
CREATE FUNCTION metric_number(value jsonb) RETURNS double precision
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN jsonb_typeof(value) = 'number' THEN CASE
    WHEN abs(value::numeric) BETWEEN 4.9406564584124654e-324 AND 1.7976931348623157e308 THEN value::text::double precision
    WHEN value::numeric = 0 THEN 0
END END;
-- +goose StatementEnd
COMMENT ON FUNCTION metric_number IS 'The number that a JSON value is, null for texts, objects and what no double can hold.';

-- The numbers of runs, above all those inside the JSON columns, one a row, so that a filter or a sort by any of them is an index scan.
-- They are rewritten by RefreshRunMetrics in the transaction that writes the run.
CREATE TABLE walkforward_run_metrics (
    run_id uuid NOT NULL,
    key text NOT NULL,
    value double precision NOT NULL,
    created_at timestamptz NOT NULL,
    CONSTRAINT walkforward_run_metrics_pkey PRIMARY KEY (run_id, key) INCLUDE (value),
    CONSTRAINT walkforward_run_metrics_run_id_fkey FOREIGN KEY (run_id)
    REFERENCES walkforward_runs (run_id) ON DELETE CASCADE
);

COMMENT ON TABLE walkforward_run_metrics IS 'The top-level numbers of a run''s summary_metrics, hyperparameters and walk_config, its duration, and its times in milliseconds since the epoch.';
COMMENT ON COLUMN walkforward_run_metrics.key IS 'Column and key, as in summary_metrics.pf_long, or a column alone; keys over 1000 bytes are left out, which an index cannot take.';
COMMENT ON COLUMN walkforward_run_metrics.created_at IS 'Of the run, where it never changes: what a filter finds is listed newest first.';

-- Serves MatchRunsByMetric, CountRunsByMetrics, SortRunsByMetric and SortRunsByMetricDesc.
CREATE INDEX walkforward_run_metrics_value_idx ON walkforward_run_metrics (key, value, run_id);
-- Serves SearchRunsByMetric.
CREATE INDEX walkforward_run_metrics_created_at_idx ON walkforward_run_metrics (key, created_at DESC, run_id) INCLUDE (value);

INSERT INTO walkforward_run_metrics (run_id, key, value, created_at)
SELECT r.run_id, c.name || '.' || e.key, metric_number(e.value), r.created_at
FROM walkforward_runs AS r
CROSS JOIN LATERAL (VALUES
    ('summary_metrics', r.summary_metrics), ('hyperparameters', r.hyperparameters), ('walk_config', r.walk_config)
) AS c (name, object)
CROSS JOIN LATERAL jsonb_each(c.object) AS e (key, value)
WHERE metric_number(e.value) IS NOT NULL AND octet_length(e.key) <= 1000
UNION ALL
SELECT r.run_id, f.name, f.value, r.created_at
FROM walkforward_runs AS r
CROSS JOIN LATERAL (VALUES
    ('duration_ms', r.duration_ms::double precision),
    ('created_at', (extract(EPOCH FROM r.created_at) * 1000)::double precision),
    ('started_at', (extract(EPOCH FROM r.started_at) * 1000)::double precision),
    ('completed_at', (extract(EPOCH FROM r.completed_at) * 1000)::double precision)
) AS f (name, value)
WHERE f.value IS NOT NULL;

-- +goose Down
DROP TABLE walkforward_run_metrics;
DROP FUNCTION metric_number(jsonb);
