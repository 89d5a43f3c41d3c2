-- +goose Up
-- What people and searches call a run, and what decides whether two runs compare. A run that parent_run_id names may be gone or not
-- yet be stored, so no foreign key holds it.
-- +goose StatementBegin
CREATE FUNCTION joined_texts(texts jsonb) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN (SELECT coalesce(string_agg(t.content, ' '), '') FROM jsonb_array_elements_text(texts) AS t (content));
-- +goose StatementEnd
COMMENT ON FUNCTION joined_texts IS 'The texts of a JSON array, separated by blanks, for search=.';
-- The tables are written anew, which takes some seconds for a million runs, and with them the trigram indexes.
ALTER TABLE walkforward_runs
DROP COLUMN search_text,
ADD COLUMN name text,
ADD COLUMN tags jsonb NOT NULL DEFAULT '[]',
ADD COLUMN notes text,
ADD COLUMN parent_run_id uuid,
ADD COLUMN search_id text,
ADD COLUMN git_commit text,
ADD COLUMN initial_capital double precision,
ADD COLUMN target_horizon_bars bigint,
ADD COLUMN cost_model jsonb NOT NULL DEFAULT '{}',
ADD CONSTRAINT walkforward_runs_tags_check CHECK (jsonb_typeof(tags) = 'array'),
ADD CONSTRAINT walkforward_runs_initial_capital_check CHECK (initial_capital > 0),
ADD CONSTRAINT walkforward_runs_target_horizon_bars_check CHECK (target_horizon_bars > 0),
ADD CONSTRAINT walkforward_runs_cost_model_check CHECK (jsonb_typeof(cost_model) = 'object');
ALTER TABLE walkforward_runs ADD COLUMN search_text text NOT NULL GENERATED ALWAYS AS (fold_case(
    target_column || ' ' || prediction_measurement || ' ' || coalesce(requested_by, '') || ' ' || coalesce(name, '') || ' '
    || joined_texts(tags) || ' ' || coalesce(notes, '')
)) STORED;
ALTER TABLE simulation_runs
DROP COLUMN search_text,
ADD COLUMN name text,
ADD COLUMN tags jsonb NOT NULL DEFAULT '[]',
ADD COLUMN notes text,
ADD COLUMN initial_capital double precision,
ADD COLUMN cost_model jsonb NOT NULL DEFAULT '{}',
ADD CONSTRAINT simulation_runs_tags_check CHECK (jsonb_typeof(tags) = 'array'),
ADD CONSTRAINT simulation_runs_initial_capital_check CHECK (initial_capital > 0),
ADD CONSTRAINT simulation_runs_cost_model_check CHECK (jsonb_typeof(cost_model) = 'object');
ALTER TABLE simulation_runs ADD COLUMN search_text text NOT NULL GENERATED ALWAYS AS (fold_case(
    input_run_measurement || ' ' || questdb_namespace || ' ' || coalesce(name, '') || ' ' || joined_texts(tags) || ' ' || coalesce(notes, '')
)) STORED;
COMMENT ON COLUMN walkforward_runs.name IS 'What people call the run.';
COMMENT ON COLUMN walkforward_runs.tags IS 'Words that people group runs by, each once.';
COMMENT ON COLUMN walkforward_runs.notes IS 'What a person wrote about the run, in Markdown.';
COMMENT ON COLUMN walkforward_runs.parent_run_id IS 'The run that this one was made from; it may be gone.';
COMMENT ON COLUMN walkforward_runs.search_id IS 'The search that the run is a trial of, by whatever name the writer gives it.';
COMMENT ON COLUMN walkforward_runs.git_commit IS 'The commit of the code that made the run.';
COMMENT ON COLUMN walkforward_runs.initial_capital IS 'The capital that returns are relative to.';
COMMENT ON COLUMN walkforward_runs.target_horizon_bars IS 'How many bars the target looks ahead: returns of targets overlap that far.';
COMMENT ON COLUMN walkforward_runs.cost_model IS 'Fees and slippage that the figures have in them; names are the writer''s.';
COMMENT ON COLUMN walkforward_runs.search_text IS 'What search= looks into, folded by fold_case.';
COMMENT ON COLUMN simulation_runs.name IS 'What people call the simulation.';
COMMENT ON COLUMN simulation_runs.tags IS 'Words that people group simulations by, each once.';
COMMENT ON COLUMN simulation_runs.notes IS 'What a person wrote about the simulation, in Markdown.';
COMMENT ON COLUMN simulation_runs.initial_capital IS 'The capital that returns are relative to.';
COMMENT ON COLUMN simulation_runs.cost_model IS 'Fees and slippage that the figures have in them; names are the writer''s.';
COMMENT ON COLUMN simulation_runs.search_text IS 'What search= looks into, folded by fold_case.';
-- +goose StatementBegin
DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_extension WHERE extname = 'pg_trgm') THEN
        -- Serves MatchRunsByText and MatchSimulationsByText.
        CREATE INDEX walkforward_runs_search_text_idx ON walkforward_runs USING gin (search_text gin_trgm_ops);
        -- Serves MatchSimulationsByText.
        CREATE INDEX simulation_runs_search_text_idx ON simulation_runs USING gin (search_text gin_trgm_ops);
    END IF;
END
$$;
-- +goose StatementEnd
-- Texts that not every record has get a mark, by which a list that is sorted by one knows which have it.
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
    WHERE t.name IN ('requested_by', 'name', 'search_id', 'parent_run_id', 'git_commit') AND t.content IS NOT NULL
$$;
-- +goose StatementEnd

-- +goose Down
DELETE FROM walkforward_run_metrics
WHERE key ~ E'^(name|tags|search_id|parent_run_id|git_commit)\x01' OR key IN ('initial_capital', 'target_horizon_bars') OR key LIKE 'cost\_model.%';
DELETE FROM simulation_run_metrics WHERE key ~ E'^(name|tags)\x01' OR key = 'initial_capital' OR key LIKE 'cost\_model.%';
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
ALTER TABLE walkforward_runs
DROP COLUMN search_text, DROP COLUMN name, DROP COLUMN tags, DROP COLUMN notes, DROP COLUMN parent_run_id, DROP COLUMN search_id,
DROP COLUMN git_commit, DROP COLUMN initial_capital, DROP COLUMN target_horizon_bars, DROP COLUMN cost_model;
ALTER TABLE simulation_runs
DROP COLUMN search_text, DROP COLUMN name, DROP COLUMN tags, DROP COLUMN notes, DROP COLUMN initial_capital, DROP COLUMN cost_model;
DROP FUNCTION joined_texts(jsonb);
ALTER TABLE walkforward_runs
ADD COLUMN search_text text NOT NULL
GENERATED ALWAYS AS (fold_case(target_column || ' ' || prediction_measurement || ' ' || coalesce(requested_by, ''))) STORED;
ALTER TABLE simulation_runs
ADD COLUMN search_text text NOT NULL GENERATED ALWAYS AS (fold_case(input_run_measurement || ' ' || questdb_namespace)) STORED;
COMMENT ON COLUMN walkforward_runs.search_text IS 'What search= looks into, folded by fold_case.';
COMMENT ON COLUMN simulation_runs.search_text IS 'What search= looks into, folded by fold_case.';
-- +goose StatementBegin
DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_extension WHERE extname = 'pg_trgm') THEN
        CREATE INDEX walkforward_runs_search_text_idx ON walkforward_runs USING gin (search_text gin_trgm_ops);
        CREATE INDEX simulation_runs_search_text_idx ON simulation_runs USING gin (search_text gin_trgm_ops);
    END IF;
END
$$;
-- +goose StatementEnd
