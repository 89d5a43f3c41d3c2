-- +goose Up
-- A dataset that names no table gets one of its own, under a name that no other slug leads to: a slug that is not a table name as it
-- stands gets eight digits of its hash. The name is stored, so that nothing has to work it out again.
-- +goose StatementBegin
CREATE FUNCTION default_table(slug text, suffix text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE
    WHEN slug ~ '^[a-z0-9_][a-z0-9_-]{0,109}$' AND slug !~ '^(telemetry|_query_trace)' THEN slug
    ELSE '_' || left(regexp_replace(lower(slug COLLATE "C"), '[^a-z0-9_-]', '_', 'g'), 100) || '_' || left(md5(slug), 8)
END || suffix;
-- +goose StatementEnd
COMMENT ON FUNCTION default_table IS 'QuestDB table of a dataset that names none: its suffix is _ind for indicators and _ohlcv for bars.';

-- +goose StatementBegin
CREATE FUNCTION name_tables() RETURNS trigger
LANGUAGE plpgsql
AS $$
BEGIN
    new.questdb_measurement := coalesce(new.questdb_measurement, default_table(new.questdb_tag, '_ind'));
    new.ohlcv_measurement := coalesce(new.ohlcv_measurement, default_table(new.questdb_tag, '_ohlcv'));
    RETURN new;
END;
$$;
-- +goose StatementEnd
COMMENT ON FUNCTION name_tables IS 'Names the tables of a dataset that does not name them.';

CREATE TRIGGER indicator_datasets_name_tables BEFORE INSERT ON indicator_datasets
FOR EACH ROW EXECUTE FUNCTION name_tables();

UPDATE indicator_datasets SET ohlcv_measurement = default_table(questdb_tag, '_ohlcv') WHERE ohlcv_measurement IS NULL;
ALTER TABLE indicator_datasets
    ALTER COLUMN questdb_measurement DROP DEFAULT,
    ALTER COLUMN ohlcv_measurement SET NOT NULL;
COMMENT ON COLUMN indicator_datasets.questdb_measurement IS 'QuestDB table of the indicator rows: the dataset''s own, or one that several share.';
COMMENT ON COLUMN indicator_datasets.ohlcv_measurement IS 'QuestDB table of the bars.';
DROP FUNCTION default_bars_table(text);

-- Where the rows of each record are: kind is that of package series, owner a tag by which a shared table tells the rows apart, of which
-- runs and simulations may have two. A simulation is in it once more when it is in another dataset than its run.
CREATE VIEW series_places AS
SELECT
    0 AS kind,
    dataset_id,
    NULL::uuid AS run_id,
    NULL::uuid AS simulation_id,
    lower(ohlcv_measurement) AS table_name,
    questdb_tag AS owner
FROM indicator_datasets
UNION ALL
SELECT 1, dataset_id, NULL, NULL, lower(questdb_measurement), questdb_tag
FROM indicator_datasets
UNION ALL
SELECT 2, r.dataset_id, r.run_id, NULL, lower(r.prediction_measurement), o.owner
FROM walkforward_runs AS r
CROSS JOIN LATERAL (SELECT unnest(ARRAY[r.run_id::text, r.walk_config ->> 'prediction_measurement']) AS owner) AS o
WHERE o.owner <> ''
UNION ALL
SELECT 3, s.dataset_id, s.run_id, s.simulation_id, lower(s.questdb_namespace), o.owner
FROM simulation_runs AS s
CROSS JOIN LATERAL (SELECT unnest(ARRAY[s.simulation_id::text, s.config ->> 'questdb_namespace']) AS owner) AS o
WHERE o.owner <> ''
UNION ALL
SELECT 3, r.dataset_id, s.run_id, s.simulation_id, lower(s.questdb_namespace), o.owner
FROM simulation_runs AS s
INNER JOIN walkforward_runs AS r ON s.run_id = r.run_id AND s.dataset_id <> r.dataset_id
CROSS JOIN LATERAL (SELECT unnest(ARRAY[s.simulation_id::text, s.config ->> 'questdb_namespace']) AS owner) AS o
WHERE o.owner <> '';
COMMENT ON VIEW series_places IS 'The tables in QuestDB that records name, and whose rows are in them.';

-- They serve ListOtherPlaces.
CREATE INDEX walkforward_runs_table_idx ON walkforward_runs (lower(prediction_measurement));
CREATE INDEX simulation_runs_table_idx ON simulation_runs (lower(questdb_namespace));

-- A removal and a record that names the same table wait for each other: whichever comes second sees the other one. The names of
-- tables share 64 locks, so that the removal of many does not fill the table of locks.
-- +goose StatementBegin
CREATE FUNCTION lock_tables_to_remove(tables text[]) RETURNS void
LANGUAGE sql
AS $$
    SELECT pg_advisory_xact_lock(7046029, b) FROM (SELECT DISTINCT hashtext(t) & 63 AS b FROM unnest(tables) AS t ORDER BY b) AS buckets
$$;
-- +goose StatementEnd
COMMENT ON FUNCTION lock_tables_to_remove IS 'Makes claim_tables wait until this transaction ends.';

-- +goose StatementBegin
CREATE FUNCTION claim_tables(tables text[], owners text[]) RETURNS text
LANGUAGE plpgsql
AS $$
BEGIN
    PERFORM pg_advisory_xact_lock_shared(7046029, b) FROM (SELECT DISTINCT hashtext(t) & 63 AS b FROM unnest(tables) AS t ORDER BY b) AS buckets;
    RETURN (
        SELECT min(p ->> 'table')
        FROM river.river_job AS j
        CROSS JOIN LATERAL jsonb_array_elements(j.args -> 'places') AS p
        WHERE
            j.state IN ('available', 'pending', 'retryable', 'running', 'scheduled') AND j.kind = 'questdb_removal'
            AND p ->> 'table' = ANY (tables)
            AND (
                p -> 'owners' ?| owners
                OR (
                    NOT (p ->> 'kept')::boolean AND (
                        p -> 'owners' = '[]' -- all of a shared table
                        OR p ->> 'table' NOT IN ('indicator_bars', 'walkforward_predictions', 'trading_sim_traces')
                    )
                )
            )
    );
END;
$$;
-- +goose StatementEnd
COMMENT ON FUNCTION claim_tables IS 'A table whose removal, or that of rows of these owners, is still to be done; null lets the record in.';

-- +goose Down
DROP FUNCTION claim_tables(text[], text[]);
DROP FUNCTION lock_tables_to_remove(text[]);
DROP INDEX simulation_runs_table_idx;
DROP INDEX walkforward_runs_table_idx;
DROP VIEW series_places;
-- +goose StatementBegin
CREATE FUNCTION default_bars_table(slug text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN ltrim(left(regexp_replace(
    translate(slug, 'ABCDEFGHIJKLMNOPQRSTUVWXYZ', 'abcdefghijklmnopqrstuvwxyz'), '[^a-z0-9_-]', '_', 'g'
), 120), '-') || '_ohlcv';
-- +goose StatementEnd
COMMENT ON FUNCTION default_bars_table IS 'Table of bars in QuestDB of a dataset that names none.';
COMMENT ON COLUMN indicator_datasets.questdb_measurement IS 'QuestDB table of the indicator rows; many datasets may share one.';
COMMENT ON COLUMN indicator_datasets.ohlcv_measurement IS 'QuestDB table of the bars; null means the default: the tag in lower case, with _ for other signs, followed by _ohlcv.';
ALTER TABLE indicator_datasets
    ALTER COLUMN ohlcv_measurement DROP NOT NULL,
    ALTER COLUMN questdb_measurement SET DEFAULT 'indicator_bars';
DROP TRIGGER indicator_datasets_name_tables ON indicator_datasets;
DROP FUNCTION name_tables();
DROP FUNCTION default_table(text, text);
