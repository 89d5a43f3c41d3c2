-- +goose Up
-- Infix search is an index scan where the extension pg_trgm can be installed; where it cannot, the same queries read
-- the whole table, which is some 0.3 s for a million runs.
-- +goose StatementBegin
DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_available_extensions WHERE name = 'pg_trgm') THEN
        CREATE EXTENSION IF NOT EXISTS pg_trgm;
        -- Serves MatchRunsByText.
        CREATE INDEX walkforward_runs_text_idx ON walkforward_runs
        USING gin ((target_column || ' ' || prediction_measurement || ' ' || coalesce(requested_by, '')) gin_trgm_ops);
    END IF;
END
$$;
-- +goose StatementEnd

-- +goose Down
DROP INDEX IF EXISTS walkforward_runs_text_idx;
