-- +goose Up
-- The same for simulations, rewritten by RefreshSimulationMetrics.
CREATE TABLE simulation_run_metrics (
    simulation_id uuid NOT NULL,
    key text NOT NULL,
    value double precision NOT NULL,
    created_at timestamptz NOT NULL,
    CONSTRAINT simulation_run_metrics_pkey PRIMARY KEY (simulation_id, key) INCLUDE (value),
    CONSTRAINT simulation_run_metrics_simulation_id_fkey FOREIGN KEY (simulation_id)
    REFERENCES simulation_runs (simulation_id) ON DELETE CASCADE
);

COMMENT ON TABLE simulation_run_metrics IS 'The top-level numbers of a simulation''s summary_metrics and config, and its times in milliseconds since the epoch.';
COMMENT ON COLUMN simulation_run_metrics.key IS 'Column and key, as in summary_metrics.total_return_pct, or a column alone.';
COMMENT ON COLUMN simulation_run_metrics.created_at IS 'Of the simulation, where it never changes: what a filter finds is listed newest first.';

-- Serves MatchSimulationsByMetric, CountSimulationsByMetrics, SortSimulationsByMetric and SortSimulationsByMetricDesc.
CREATE INDEX simulation_run_metrics_value_idx ON simulation_run_metrics (key, value, simulation_id);
-- Serves SearchSimulationsByMetric.
CREATE INDEX simulation_run_metrics_created_at_idx ON simulation_run_metrics (key, created_at DESC, simulation_id) INCLUDE (value);

INSERT INTO simulation_run_metrics (simulation_id, key, value, created_at)
SELECT s.simulation_id, c.name || '.' || e.key, metric_number(e.value), s.created_at
FROM simulation_runs AS s
CROSS JOIN LATERAL (VALUES ('summary_metrics', s.summary_metrics), ('config', s.config)) AS c (name, object)
CROSS JOIN LATERAL jsonb_each(c.object) AS e (key, value)
WHERE metric_number(e.value) IS NOT NULL AND octet_length(e.key) <= 1000
UNION ALL
SELECT s.simulation_id, f.name, f.value, s.created_at
FROM simulation_runs AS s
CROSS JOIN LATERAL (VALUES
    ('created_at', (extract(EPOCH FROM s.created_at) * 1000)::double precision),
    ('started_at', (extract(EPOCH FROM s.started_at) * 1000)::double precision),
    ('completed_at', (extract(EPOCH FROM s.completed_at) * 1000)::double precision)
) AS f (name, value)
WHERE f.value IS NOT NULL;

-- +goose Down
DROP TABLE simulation_run_metrics;
