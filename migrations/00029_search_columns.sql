-- +goose Up
-- Lists are filtered by the columns of a record through the metrics tables, like by all that it has, and sorted by its dataset's slug and
-- symbol and a run's number of folds, too. A text of more than 500 characters is told from others by its hash.
-- +goose StatementBegin
CREATE FUNCTION text_key(name text, content text) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN name || E'\x01=' || CASE WHEN length(content) > 500 THEN left(content, 500) || md5(content) ELSE content END;
-- +goose StatementEnd
COMMENT ON FUNCTION text_key IS 'The key under which a text of a record itself is searched.';
-- +goose StatementBegin
CREATE OR REPLACE FUNCTION search_values(
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
    SELECT text_key(t.name, t.content), 0 FROM unnest(text_names, texts) AS t (name, content) WHERE t.content IS NOT NULL
    UNION ALL
    SELECT t.name || E'\x01', 0
    FROM unnest(text_names, texts) AS t (name, content)
    WHERE t.name = 'requested_by' AND t.content IS NOT NULL
$$;
-- +goose StatementEnd

-- Indexes that are made behind the rows take a fraction of the time.
DROP INDEX walkforward_run_metrics_value_idx;
DROP INDEX walkforward_run_metrics_created_at_idx;
DROP INDEX simulation_run_metrics_value_idx;
DROP INDEX simulation_run_metrics_created_at_idx;
DELETE FROM walkforward_run_metrics WHERE length(key) > 500 AND key ~ E'^[a-z_]+\x01=';
DELETE FROM simulation_run_metrics WHERE length(key) > 500 AND key ~ E'^[a-z_]+\x01=';
INSERT INTO walkforward_run_metrics (run_id, key, value, created_at)
SELECT r.run_id, v.key, v.value, r.created_at
FROM walkforward_runs AS r
INNER JOIN indicator_datasets AS d ON r.dataset_id = d.dataset_id
CROSS JOIN LATERAL (VALUES
    ('fold_count', r.fold_count::double precision), (text_key('dataset_slug', d.questdb_tag), 0), (text_key('symbol', d.symbol), 0),
    (text_key('prediction_measurement', r.prediction_measurement), 0), (text_key('target_column', r.target_column), 0),
    (text_key('requested_by', r.requested_by), 0)
) AS v (key, value)
WHERE v.key IN ('fold_count', text_key('dataset_slug', d.questdb_tag), text_key('symbol', d.symbol)) OR length(v.key) > 500
ON CONFLICT (run_id, key) DO NOTHING;
INSERT INTO simulation_run_metrics (simulation_id, key, value, created_at)
SELECT s.simulation_id, v.key, 0, s.created_at
FROM simulation_runs AS s
INNER JOIN indicator_datasets AS d ON s.dataset_id = d.dataset_id
CROSS JOIN LATERAL (VALUES
    (text_key('dataset_slug', d.questdb_tag)), (text_key('symbol', d.symbol)), (text_key('run_id', s.run_id::text)),
    (text_key('input_run_measurement', s.input_run_measurement)), (text_key('questdb_namespace', s.questdb_namespace))
) AS v (key)
WHERE v.key = text_key('run_id', s.run_id::text) OR v.key IN (text_key('dataset_slug', d.questdb_tag), text_key('symbol', d.symbol)) OR length(v.key) > 500
ON CONFLICT (simulation_id, key) DO NOTHING;
-- Serves MatchRunsByMetrics, CountRunsByMetrics, SortRunsByMetric and SortRunsByMetricDesc.
CREATE INDEX walkforward_run_metrics_value_idx ON walkforward_run_metrics (key, value, run_id);
-- Serves SearchRunsByMetric.
CREATE INDEX walkforward_run_metrics_created_at_idx ON walkforward_run_metrics (key, created_at DESC, run_id) INCLUDE (value);
-- Serves MatchSimulationsByMetrics, CountSimulationsByMetrics, SortSimulationsByMetric and SortSimulationsByMetricDesc.
CREATE INDEX simulation_run_metrics_value_idx ON simulation_run_metrics (key, value, simulation_id);
-- Serves SearchSimulationsByMetric.
CREATE INDEX simulation_run_metrics_created_at_idx ON simulation_run_metrics (key, created_at DESC, simulation_id) INCLUDE (value);

-- +goose StatementBegin
CREATE FUNCTION keep_dataset_names() RETURNS trigger
LANGUAGE plpgsql
AS $$
BEGIN
    UPDATE walkforward_run_metrics AS m
    SET key = n.new_key
    FROM walkforward_runs AS r, (VALUES
        (text_key('dataset_slug', old.questdb_tag), text_key('dataset_slug', new.questdb_tag)),
        (text_key('symbol', old.symbol), text_key('symbol', new.symbol))
    ) AS n (old_key, new_key)
    WHERE r.dataset_id = new.dataset_id AND m.run_id = r.run_id AND m.key = n.old_key AND n.old_key <> n.new_key;
    UPDATE simulation_run_metrics AS m
    SET key = n.new_key
    FROM simulation_runs AS s, (VALUES
        (text_key('dataset_slug', old.questdb_tag), text_key('dataset_slug', new.questdb_tag)),
        (text_key('symbol', old.symbol), text_key('symbol', new.symbol))
    ) AS n (old_key, new_key)
    WHERE s.dataset_id = new.dataset_id AND m.simulation_id = s.simulation_id AND m.key = n.old_key AND n.old_key <> n.new_key;
    RETURN NULL;
END
$$;
-- +goose StatementEnd
COMMENT ON FUNCTION keep_dataset_names IS 'Keeps the slug and the symbol under which the runs and simulations of a dataset are searched.';
CREATE TRIGGER indicator_datasets_renamed AFTER UPDATE OF questdb_tag, symbol ON indicator_datasets
FOR EACH ROW WHEN ((old.questdb_tag, old.symbol) IS DISTINCT FROM (new.questdb_tag, new.symbol)) EXECUTE FUNCTION keep_dataset_names();

-- +goose Down
DROP TRIGGER indicator_datasets_renamed ON indicator_datasets;
DROP FUNCTION keep_dataset_names();
DELETE FROM walkforward_run_metrics WHERE key = 'fold_count' OR key LIKE E'dataset\\_slug\x01%' OR key LIKE E'symbol\x01%';
DELETE FROM simulation_run_metrics WHERE key LIKE E'dataset\\_slug\x01%' OR key LIKE E'symbol\x01%' OR key LIKE E'run\\_id\x01%';
-- +goose StatementBegin
CREATE OR REPLACE FUNCTION search_values(
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
DROP FUNCTION text_key(text, text);
