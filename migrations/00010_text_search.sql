-- +goose Up
-- Infix search is an index scan where the extension pg_trgm can be installed; where it cannot, the same queries read
-- the whole table, which is some 0.3 s for a million runs. docs/operations.md says how to add it later.
-- +goose StatementBegin
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_extension WHERE extname = 'pg_trgm') THEN
        BEGIN
            CREATE EXTENSION pg_trgm;
            COMMENT ON EXTENSION pg_trgm IS 'installed by foldbook';
        -- Hosted servers answer feature_not_supported for an extension that is not on their list.
        EXCEPTION WHEN insufficient_privilege OR feature_not_supported OR undefined_file THEN
            RAISE WARNING 'the extension pg_trgm cannot be installed (%): searches for a text work, but read all runs and simulations, some 0.3 s for a million', SQLERRM
                USING HINT = 'Let an administrator install it; then make the two indexes as docs/operations.md says under "Text search".';
            RETURN;
        END;
    END IF;
    -- Serves MatchRunsByText and MatchSimulationsByText.
    CREATE INDEX walkforward_runs_text_idx ON walkforward_runs
    USING gin ((target_column || ' ' || prediction_measurement || ' ' || coalesce(requested_by, '')) gin_trgm_ops);
    -- Serves MatchSimulationsByText.
    CREATE INDEX simulation_runs_text_idx ON simulation_runs
    USING gin ((input_run_measurement || ' ' || questdb_namespace) gin_trgm_ops);
END
$$;
-- +goose StatementEnd

-- +goose Down
DROP INDEX IF EXISTS simulation_runs_text_idx;
DROP INDEX IF EXISTS walkforward_runs_text_idx;
-- One that was there before, or that others use by now, stays.
-- +goose StatementBegin
DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_extension WHERE extname = 'pg_trgm' AND obj_description(oid, 'pg_extension') = 'installed by foldbook') THEN
        DROP EXTENSION pg_trgm;
    END IF;
EXCEPTION WHEN dependent_objects_still_exist THEN
    RAISE NOTICE 'pg_trgm stays, as others use it';
END
$$;
-- +goose StatementEnd
