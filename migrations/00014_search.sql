-- +goose Up
-- What search= looks into. The tables are written anew, which takes some seconds for a million runs.
ALTER TABLE indicator_datasets
ADD COLUMN search_text text NOT NULL GENERATED ALWAYS AS (questdb_tag || ' ' || symbol || ' ' || questdb_measurement) STORED;
ALTER TABLE walkforward_runs
ADD COLUMN search_text text NOT NULL
GENERATED ALWAYS AS (target_column || ' ' || prediction_measurement || ' ' || coalesce(requested_by, '')) STORED;
ALTER TABLE simulation_runs
ADD COLUMN search_text text NOT NULL GENERATED ALWAYS AS (input_run_measurement || ' ' || questdb_namespace) STORED;

COMMENT ON COLUMN indicator_datasets.search_text IS 'What search= looks into.';
COMMENT ON COLUMN walkforward_runs.search_text IS 'What search= looks into.';
COMMENT ON COLUMN simulation_runs.search_text IS 'What search= looks into.';

DROP INDEX IF EXISTS walkforward_runs_text_idx;
DROP INDEX IF EXISTS simulation_runs_text_idx;
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

-- Used as NOT EXISTS (SELECT FROM unmet_run_metrics(...) OFFSET 0), these are expanded into the query that calls them, as a test
-- of their plans requires.
-- +goose StatementBegin
CREATE FUNCTION unmet_run_metrics(id uuid, keys text[], wanted boolean[], lows double precision[], highs double precision[])
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
COMMENT ON FUNCTION unmet_run_metrics IS 'The metric filters that a run does not meet. A filter is a range of values that one metric is wanted in, or not wanted in.';

-- +goose StatementBegin
CREATE FUNCTION unmet_simulation_metrics(id uuid, keys text[], wanted boolean[], lows double precision[], highs double precision[])
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
COMMENT ON FUNCTION unmet_simulation_metrics IS 'The metric filters that a simulation does not meet.';

-- +goose Down
DROP FUNCTION unmet_simulation_metrics(uuid, text[], boolean[], double precision[], double precision[]);
DROP FUNCTION unmet_run_metrics(uuid, text[], boolean[], double precision[], double precision[]);
ALTER TABLE simulation_runs DROP COLUMN search_text;
ALTER TABLE walkforward_runs DROP COLUMN search_text;
ALTER TABLE indicator_datasets DROP COLUMN search_text;
-- +goose StatementBegin
DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_extension WHERE extname = 'pg_trgm') THEN
        CREATE INDEX walkforward_runs_text_idx ON walkforward_runs
        USING gin ((target_column || ' ' || prediction_measurement || ' ' || coalesce(requested_by, '')) gin_trgm_ops);
        CREATE INDEX simulation_runs_text_idx ON simulation_runs
        USING gin ((input_run_measurement || ' ' || questdb_namespace) gin_trgm_ops);
    END IF;
END
$$;
-- +goose StatementEnd
