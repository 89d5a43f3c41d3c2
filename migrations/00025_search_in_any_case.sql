-- +goose Up
-- ILIKE folds as the database's locale does: a database of locale C folds ASCII alone. So both sides are folded by the best that the
-- server has: the C.UTF-8 of PostgreSQL 17, ICU, or a locale of the system; without any of them only ASCII is folded.
-- +goose StatementBegin
CREATE FUNCTION fold_case(content text) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE STRICT
RETURN lower(content);
-- +goose StatementEnd
-- +goose StatementBegin
DO $do$
DECLARE
    best text;
BEGIN
    SELECT format('%I.%I', n.nspname, c.collname) INTO best
    FROM pg_collation AS c
    INNER JOIN pg_namespace AS n ON c.collnamespace = n.oid
    WHERE n.nspname = 'pg_catalog' AND getdatabaseencoding() = 'UTF8'
        AND (c.collname IN ('pg_c_utf8', 'und-x-icu') OR (c.collname ~* 'utf-?8$' AND c.collencoding = pg_char_to_encoding('UTF8')))
    ORDER BY array_position(ARRAY['pg_c_utf8', 'und-x-icu'], c.collname::text) NULLS LAST, c.collname
    LIMIT 1;
    IF best IS NULL THEN
        RAISE WARNING 'search= ignores the case of ASCII letters only, as this server has no collation that knows others';
        RETURN;
    END IF;
    -- The final sigma is another letter in lower case than the one within a word.
    EXECUTE format(
        $f$CREATE OR REPLACE FUNCTION fold_case(content text) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE STRICT
        RETURN replace(lower(content COLLATE %s), 'ς', 'σ') COLLATE "default"$f$, best
    );
END
$do$;
-- +goose StatementEnd
COMMENT ON FUNCTION fold_case IS 'A text without the difference of upper and lower case, for search=.';
-- The tables are written anew, which takes some seconds for a million runs, and with them the trigram indexes.
ALTER TABLE indicator_datasets DROP COLUMN search_text;
ALTER TABLE walkforward_runs DROP COLUMN search_text;
ALTER TABLE simulation_runs DROP COLUMN search_text;
ALTER TABLE indicator_datasets
ADD COLUMN search_text text NOT NULL GENERATED ALWAYS AS (fold_case(questdb_tag || ' ' || symbol || ' ' || questdb_measurement)) STORED;
ALTER TABLE walkforward_runs
ADD COLUMN search_text text NOT NULL
GENERATED ALWAYS AS (fold_case(target_column || ' ' || prediction_measurement || ' ' || coalesce(requested_by, ''))) STORED;
ALTER TABLE simulation_runs
ADD COLUMN search_text text NOT NULL GENERATED ALWAYS AS (fold_case(input_run_measurement || ' ' || questdb_namespace)) STORED;
COMMENT ON COLUMN indicator_datasets.search_text IS 'What search= looks into, folded by fold_case.';
COMMENT ON COLUMN walkforward_runs.search_text IS 'What search= looks into, folded by fold_case.';
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

-- +goose Down
ALTER TABLE indicator_datasets DROP COLUMN search_text;
ALTER TABLE walkforward_runs DROP COLUMN search_text;
ALTER TABLE simulation_runs DROP COLUMN search_text;
DROP FUNCTION fold_case(text);
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
