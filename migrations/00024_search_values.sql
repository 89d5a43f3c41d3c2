-- +goose Up
-- A search compares nested numbers and texts too. What it compares is one row of the metrics tables each, found by its key in the
-- order of its bytes: a number at a path has the path as its key; a text has two rows, the path and U+0001, which marks that there is
-- a text, and the path, U+0001, = and the text, so that equality is a key, and an order by texts is an order by keys.
-- +goose StatementBegin
CREATE FUNCTION search_values(
    columns text[], objects jsonb[], number_names text[], numbers double precision[], text_names text[], texts text[]
)
RETURNS TABLE (key text, value double precision)
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
    WITH RECURSIVE members AS (
        SELECT c.name || '.' || e.key AS path, e.value, 1 AS depth
        FROM unnest(columns, objects) AS c (name, object)
        CROSS JOIN LATERAL jsonb_each(c.object) AS e
        UNION ALL
        SELECT m.path || '.' || e.key, e.value, m.depth + 1
        FROM members AS m
        CROSS JOIN LATERAL jsonb_each(CASE WHEN jsonb_typeof(m.value) = 'object' THEN m.value END) AS e
        WHERE m.depth < 6
    ), leaves AS (
        SELECT DISTINCT ON (m.path COLLATE "C") m.path, metric_number(m.value) AS number, m.value #>> '{}' AS content
        FROM members AS m
        WHERE (jsonb_typeof(m.value) IN ('string', 'boolean') OR metric_number(m.value) IS NOT NULL)
            AND octet_length(m.path) <= 1016 AND position(E'\x01' IN m.path) = 0
        ORDER BY m.path COLLATE "C", m.depth
    )
    SELECT l.path, l.number FROM leaves AS l WHERE l.number IS NOT NULL
    UNION ALL
    SELECT l.path || E'\x01' || mark.text, 0
    FROM leaves AS l
    CROSS JOIN LATERAL (VALUES (''), ('=' || left(l.content, 200) || CASE WHEN length(l.content) > 200 THEN '…' ELSE '' END)) AS mark (text)
    WHERE l.number IS NULL
    UNION ALL
    SELECT n.name, n.number FROM unnest(number_names, numbers) AS n (name, number) WHERE n.number IS NOT NULL
    UNION ALL
    SELECT t.name || E'\x01' || mark.text, 0
    FROM unnest(text_names, texts) AS t (name, content)
    CROSS JOIN LATERAL (VALUES (''), ('=' || left(t.content, 500))) AS mark (text)
    WHERE t.content IS NOT NULL AND (mark.text <> '' OR t.name = 'requested_by')
$$;
-- +goose StatementEnd
COMMENT ON FUNCTION search_values IS 'What a search compares of a record: the numbers and texts in its JSON columns, and its own.';

-- +goose StatementBegin
CREATE FUNCTION lost_keys(former jsonb, newer jsonb) RETURNS text[]
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN ARRAY(
    SELECT f.key
    FROM jsonb_each(jsonb_strip_nulls(former)) AS f
    WHERE jsonb_typeof(f.value) NOT IN ('object', 'array') AND newer -> f.key = 'null'
    UNION ALL
    SELECT f.key || '.' || k.key
    FROM jsonb_each(former) AS f
    CROSS JOIN LATERAL jsonb_object_keys(CASE WHEN jsonb_typeof(f.value) = 'object' THEN f.value ELSE '{}' END) AS k (key)
    WHERE NOT (newer -> f.key) ? k.key
    UNION ALL
    SELECT f.key || ' ' || e.value::text
    FROM jsonb_each(former) AS f
    CROSS JOIN LATERAL jsonb_array_elements(CASE WHEN jsonb_typeof(f.value) = 'array' THEN f.value ELSE '[]' END) AS e (value)
    WHERE NOT (newer -> f.key) @> jsonb_build_array(e.value)
    LIMIT 20
);
-- +goose StatementEnd
COMMENT ON FUNCTION lost_keys IS 'What of the fields of a record another one leaves out, at most 20: values, the members of objects and the elements of arrays.';

DROP INDEX walkforward_run_metrics_value_idx;
DROP INDEX walkforward_run_metrics_created_at_idx;
DROP INDEX simulation_run_metrics_value_idx;
DROP INDEX simulation_run_metrics_created_at_idx;
TRUNCATE walkforward_run_metrics, simulation_run_metrics;
ALTER TABLE walkforward_run_metrics ALTER COLUMN key TYPE text COLLATE "C";
ALTER TABLE simulation_run_metrics ALTER COLUMN key TYPE text COLLATE "C";

INSERT INTO walkforward_run_metrics (run_id, key, value, created_at)
SELECT r.run_id, v.key, v.value, r.created_at
FROM walkforward_runs AS r
CROSS JOIN LATERAL search_values(
    ARRAY['summary_metrics', 'hyperparameters', 'walk_config'], ARRAY[r.summary_metrics, r.hyperparameters, r.walk_config],
    ARRAY['duration_ms', 'created_at', 'started_at', 'completed_at'],
    ARRAY[
        r.duration_ms, extract(EPOCH FROM r.created_at) * 1000, extract(EPOCH FROM r.started_at) * 1000, extract(EPOCH FROM r.completed_at) * 1000
    ]::double precision[],
    ARRAY['status', 'prediction_measurement', 'target_column', 'requested_by'],
    ARRAY[r.status, r.prediction_measurement, r.target_column, r.requested_by]
) AS v;

INSERT INTO simulation_run_metrics (simulation_id, key, value, created_at)
SELECT s.simulation_id, v.key, v.value, s.created_at
FROM simulation_runs AS s
CROSS JOIN LATERAL search_values(
    ARRAY['summary_metrics', 'config'], ARRAY[s.summary_metrics, s.config],
    ARRAY['created_at', 'started_at', 'completed_at'],
    ARRAY[extract(EPOCH FROM s.created_at) * 1000, extract(EPOCH FROM s.started_at) * 1000, extract(EPOCH FROM s.completed_at) * 1000]::double precision[],
    ARRAY['status', 'mode', 'input_run_measurement', 'questdb_namespace'],
    ARRAY[s.status, s.mode, s.input_run_measurement, s.questdb_namespace]
) AS v;

-- Serves MatchRunsByMetric, CountRunsByMetrics, SortRunsByMetric and SortRunsByMetricDesc.
CREATE INDEX walkforward_run_metrics_value_idx ON walkforward_run_metrics (key, value, run_id);
-- Serves SearchRunsByMetric.
CREATE INDEX walkforward_run_metrics_created_at_idx ON walkforward_run_metrics (key, created_at DESC, run_id) INCLUDE (value);
-- Serves MatchSimulationsByMetric, CountSimulationsByMetrics, SortSimulationsByMetric and SortSimulationsByMetricDesc.
CREATE INDEX simulation_run_metrics_value_idx ON simulation_run_metrics (key, value, simulation_id);
-- Serves SearchSimulationsByMetric.
CREATE INDEX simulation_run_metrics_created_at_idx ON simulation_run_metrics (key, created_at DESC, simulation_id) INCLUDE (value);

COMMENT ON TABLE walkforward_run_metrics IS 'What a search compares of a run: the numbers and texts of its summary_metrics, hyperparameters and walk_config, its duration, its times in milliseconds since the epoch, and its own texts.';
COMMENT ON TABLE simulation_run_metrics IS 'What a search compares of a simulation: the numbers and texts of its summary_metrics and config, its times in milliseconds since the epoch, and its own texts.';
COMMENT ON COLUMN walkforward_run_metrics.key IS 'Path, as in summary_metrics.long.pf, or a column alone; for a text with U+0001, = and the text.';
COMMENT ON COLUMN simulation_run_metrics.key IS 'Path, as in summary_metrics.total_return_pct, or a column alone; for a text with U+0001, = and the text.';

-- A filter may name several keys, with U+0002 between them: any of them meets it. The sum keeps PostgreSQL from looking through the
-- index by values, which has all records with the key, instead of that of the record.
-- +goose StatementBegin
CREATE OR REPLACE FUNCTION unmet_run_metrics(id uuid, keys text[], wanted boolean[], lows double precision[], highs double precision[])
RETURNS SETOF integer
LANGUAGE sql STABLE PARALLEL SAFE
AS $$
    SELECT i
    FROM generate_subscripts(keys, 1) AS i
    WHERE wanted[i] <> EXISTS (
        SELECT
        FROM walkforward_run_metrics AS m
        WHERE m.run_id = id AND m.key = ANY(string_to_array(keys[i], E'\x02')) AND m.value + 0 BETWEEN lows[i] AND highs[i]
    )
$$;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE OR REPLACE FUNCTION unmet_simulation_metrics(id uuid, keys text[], wanted boolean[], lows double precision[], highs double precision[])
RETURNS SETOF integer
LANGUAGE sql STABLE PARALLEL SAFE
AS $$
    SELECT i
    FROM generate_subscripts(keys, 1) AS i
    WHERE wanted[i] <> EXISTS (
        SELECT
        FROM simulation_run_metrics AS m
        WHERE m.simulation_id = id AND m.key = ANY(string_to_array(keys[i], E'\x02')) AND m.value + 0 BETWEEN lows[i] AND highs[i]
    )
$$;
-- +goose StatementEnd

-- +goose Down
-- +goose StatementBegin
CREATE OR REPLACE FUNCTION unmet_simulation_metrics(id uuid, keys text[], wanted boolean[], lows double precision[], highs double precision[])
RETURNS SETOF integer
LANGUAGE sql STABLE PARALLEL SAFE
AS $$
    SELECT i
    FROM generate_subscripts(keys, 1) AS i
    WHERE wanted[i] <> EXISTS (
        SELECT
        FROM simulation_run_metrics AS m
        WHERE m.simulation_id = id AND m.key = keys[i] AND m.value BETWEEN lows[i] AND highs[i]
    )
$$;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE OR REPLACE FUNCTION unmet_run_metrics(id uuid, keys text[], wanted boolean[], lows double precision[], highs double precision[])
RETURNS SETOF integer
LANGUAGE sql STABLE PARALLEL SAFE
AS $$
    SELECT i
    FROM generate_subscripts(keys, 1) AS i
    WHERE wanted[i] <> EXISTS (
        SELECT
        FROM walkforward_run_metrics AS m
        WHERE m.run_id = id AND m.key = keys[i] AND m.value BETWEEN lows[i] AND highs[i]
    )
$$;
-- +goose StatementEnd
DELETE FROM walkforward_run_metrics WHERE position(E'\x01' IN key) > 0;
DELETE FROM simulation_run_metrics WHERE position(E'\x01' IN key) > 0;
ALTER TABLE walkforward_run_metrics ALTER COLUMN key TYPE text COLLATE "default";
ALTER TABLE simulation_run_metrics ALTER COLUMN key TYPE text COLLATE "default";
DROP FUNCTION lost_keys(jsonb, jsonb);
DROP FUNCTION search_values(text[], jsonb[], text[], double precision[], text[], text[]);
COMMENT ON TABLE walkforward_run_metrics IS 'The top-level numbers of a run''s summary_metrics, hyperparameters and walk_config, its duration, and its times in milliseconds since the epoch.';
COMMENT ON TABLE simulation_run_metrics IS 'The top-level numbers of a simulation''s summary_metrics and config, and its times in milliseconds since the epoch.';
COMMENT ON COLUMN walkforward_run_metrics.key IS 'Column and key, as in summary_metrics.pf_long, or a column alone; keys over 1000 bytes are left out, which an index cannot take.';
COMMENT ON COLUMN simulation_run_metrics.key IS 'Column and key, as in summary_metrics.total_return_pct, or a column alone.';
