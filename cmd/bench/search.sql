-- Fills an empty database with $bench.runs runs in 50 datasets, one a minute, each with four numbers in its summary_metrics, every
-- 10,000th with a fifth, and the oldest 50th of them with a sixth. The numbers are also in the table that searches read, as each
-- write puts them there. Indexes and keys are made after the rows, which takes a third of the time.
CREATE TEMP TABLE dropped ON COMMIT DROP AS
SELECT
    format('ALTER TABLE %s DROP CONSTRAINT %I', conrelid::regclass, conname) AS gone,
    format('ALTER TABLE %s ADD CONSTRAINT %I %s', conrelid::regclass, conname, pg_get_constraintdef(oid)) AS again
FROM pg_constraint WHERE conrelid = 'walkforward_run_metrics'::regclass AND contype IN ('p', 'f')
UNION ALL
SELECT format('DROP INDEX %s', indexrelid::regclass), pg_get_indexdef(indexrelid)
FROM pg_index WHERE indrelid IN ('walkforward_runs'::regclass, 'walkforward_run_metrics'::regclass) AND NOT indisprimary;

DO $$ DECLARE d record; BEGIN FOR d IN SELECT * FROM dropped ORDER BY again LOOP EXECUTE d.gone; END LOOP; END $$;

INSERT INTO indicator_datasets (dataset_id, symbol, granularity, questdb_tag, questdb_measurement)
SELECT md5('dataset ' || n)::uuid, 'BTCUSDT', '1h', 'search_' || n, 'search_' || n || '_ind' FROM generate_series(0, 49) AS n;

SELECT setseed(0.5);

CREATE TEMP TABLE numbers ON COMMIT DROP AS
SELECT
    n, md5('run ' || n)::uuid AS run_id, timestamptz '2024-01-01Z' + n * interval '1 minute' AS created_at,
    round((random() + random() + random())::numeric, 6) AS pf_long,
    round((2 * (random() + random() + random()) - 3)::numeric, 6) AS sharpe,
    round((3000 * random())::numeric) AS total_signals, round((50 + 10 * random())::numeric) AS folds,
    CASE WHEN n % 10000 = 0 THEN n::numeric END AS stress, CASE WHEN n <= runs / 50 THEN n::numeric END AS retired
FROM (SELECT current_setting('bench.runs')::integer AS runs) AS c CROSS JOIN LATERAL generate_series(1, runs) AS n;

INSERT INTO walkforward_runs (run_id, dataset_id, prediction_measurement, target_column, summary_metrics, status, requested_by, created_at)
SELECT
    run_id, md5('dataset ' || n % 50)::uuid, 'search_wf' || n, 'TGT_' || n % 400,
    jsonb_strip_nulls(jsonb_build_object('pf_long', pf_long, 'sharpe', sharpe, 'total_signals', total_signals, 'folds', folds,
        'stress', stress, 'retired', retired)),
    CASE n % 10 WHEN 0 THEN 'FAILED' ELSE 'COMPLETED' END, 'user_' || n % 20, created_at
FROM numbers;

INSERT INTO walkforward_run_metrics (run_id, key, value, created_at)
SELECT n.run_id, 'summary_metrics.' || m.key, m.value, n.created_at
FROM numbers AS n CROSS JOIN LATERAL (VALUES
    ('pf_long', n.pf_long), ('sharpe', n.sharpe), ('total_signals', n.total_signals), ('folds', n.folds),
    ('stress', n.stress), ('retired', n.retired)
) AS m (key, value) WHERE m.value IS NOT NULL;

SET LOCAL maintenance_work_mem = '256MB';

DO $$ DECLARE d record; BEGIN FOR d IN SELECT * FROM dropped ORDER BY again LOOP EXECUTE d.again; END LOOP; END $$;
