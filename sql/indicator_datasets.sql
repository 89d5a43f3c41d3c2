-- name: CountDatasetChildren :one
-- CountDatasetChildren counts what goes with a dataset. Called by DELETE /api/datasets/{id}.
-- index: walkforward_runs_dataset_id_idx, simulation_runs_dataset_id_idx, simulation_runs_run_id_idx, walkforward_folds_pkey, simulation_trade_buckets_pkey.
-- cost: index scans of all below the dataset.
WITH sims AS (
    SELECT s.simulation_id
    FROM simulation_runs AS s
    WHERE s.dataset_id = @dataset_id
    UNION
    SELECT s.simulation_id
    FROM walkforward_runs AS r
    INNER JOIN simulation_runs AS s ON r.run_id = s.run_id
    WHERE r.dataset_id = @dataset_id
)
SELECT
    (SELECT count(*) FROM walkforward_runs AS r WHERE r.dataset_id = @dataset_id)::bigint AS runs,
    (SELECT count(*) FROM walkforward_folds AS f INNER JOIN walkforward_runs AS r ON f.run_id = r.run_id WHERE r.dataset_id = @dataset_id)::bigint AS folds,
    (SELECT count(*) FROM sims)::bigint AS simulations,
    (SELECT count(*) FROM simulation_trade_buckets AS b INNER JOIN sims ON b.simulation_id = sims.simulation_id)::bigint AS buckets,
    (SELECT count(*) FROM simulation_trades AS t INNER JOIN sims ON t.simulation_id = sims.simulation_id)::bigint AS trades;

-- name: CountDatasetSummaries :one
-- CountDatasetSummaries counts what ListDatasetSummaries pages through. Called by GET /api/datasets.
-- index: none, it reads them all. cost: one pass over the datasets, of which there are few.
SELECT count(*)::bigint AS total
FROM indicator_datasets AS d
WHERE
    (sqlc.narg('symbol')::text IS NULL OR d.symbol = sqlc.narg('symbol'))
    AND (sqlc.narg('granularity')::text IS NULL OR d.granularity = sqlc.narg('granularity'))
    AND (sqlc.narg('source')::text IS NULL OR d.source = sqlc.narg('source'))
    AND (sqlc.narg('pattern')::text IS NULL OR d.search_text LIKE fold_case(sqlc.narg('pattern')));

-- name: CountDatasets :one
-- CountDatasets counts the datasets that ListDatasets pages through. Called for X-Total-Count when a page is full.
-- index: indicator_datasets_questdb_tag_key. cost: one pass over the datasets, of which there are few.
SELECT count(*)::bigint AS total
FROM indicator_datasets
WHERE
    (sqlc.narg('symbol')::text IS NULL OR symbol = sqlc.narg('symbol'))
    AND (sqlc.narg('granularity')::text IS NULL OR granularity = sqlc.narg('granularity'))
    AND (sqlc.narg('source')::text IS NULL OR source = sqlc.narg('source'));

-- name: DeleteDataset :execrows
-- DeleteDataset removes a dataset with all below it. Called by DELETE /api/datasets/{id}.
-- index: indicator_datasets_pkey, walkforward_runs_dataset_id_idx, simulation_runs_dataset_id_idx. cost: the dataset and all below it.
WITH runs AS (
    INSERT INTO events (topic, kind, subject_id, run_id, dataset_id)
    SELECT 'runs', 'deleted', r.run_id, r.run_id, r.dataset_id
    FROM walkforward_runs AS r
    WHERE r.dataset_id = @dataset_id
), simulations AS (
    INSERT INTO events (topic, kind, subject_id, run_id, dataset_id)
    SELECT 'simulations', 'deleted', s.simulation_id, s.run_id, s.dataset_id
    FROM simulation_runs AS s
    WHERE s.dataset_id = @dataset_id
), gone AS (
    DELETE FROM indicator_datasets
    WHERE indicator_datasets.dataset_id = @dataset_id
    RETURNING indicator_datasets.dataset_id, indicator_datasets.questdb_tag
)
INSERT INTO events (topic, kind, subject_id, dataset_id, data)
SELECT 'datasets', 'deleted', gone.dataset_id, gone.dataset_id, jsonb_build_object('dataset_slug', gone.questdb_tag)
FROM gone;

-- name: GetDataset :one
-- GetDataset returns one dataset. Called by GET /api/indicators/datasets/{id}.
-- index: indicator_datasets_pkey. cost: 1 row.
SELECT *
FROM indicator_datasets
WHERE dataset_id = @dataset_id;

-- name: GetDatasetID :one
-- GetDatasetID returns the dataset of a slug. Called where a request has a slug in the place of an id.
-- index: indicator_datasets_questdb_tag_key. cost: 1 row.
SELECT dataset_id
FROM indicator_datasets
WHERE questdb_tag = @slug;

-- name: GetDatasetSeries :one
-- GetDatasetSeries returns where the rows of a dataset are in QuestDB, and how long its bars are. Called by the routes that read or write them.
-- index: indicator_datasets_pkey. cost: 1 row.
SELECT
    questdb_tag,
    questdb_measurement AS indicator_measurement,
    ohlcv_measurement,
    column_schema,
    bar_interval_ms,
    granularity
FROM indicator_datasets
WHERE dataset_id = @dataset_id;

-- name: GetDatasetSummary :one
-- GetDatasetSummary returns one dataset in the shape of the current API, which internal/gen/shapes.go states. Called by GET /api/datasets/{id}.
-- index: indicator_datasets_pkey, walkforward_runs_dataset_id_idx, simulation_runs_dataset_id_idx. cost: 1 row and index scans of its children.
SELECT
    d.*,
    d.questdb_tag AS dataset_slug,
    epoch_ms(d.ohlcv_first_ts)::bigint AS ohlcv_first_ms,
    epoch_ms(d.ohlcv_last_ts)::bigint AS ohlcv_last_ms,
    epoch_ms(d.first_bar_ts)::bigint AS first_bar_ms,
    epoch_ms(d.last_bar_ts)::bigint AS last_bar_ms,
    (SELECT count(*) FROM walkforward_runs AS r WHERE r.dataset_id = d.dataset_id)::bigint AS run_count,
    (SELECT count(*) FROM simulation_runs AS s WHERE s.dataset_id = d.dataset_id)::bigint AS simulation_count
FROM indicator_datasets AS d
WHERE d.dataset_id = @dataset_id;

-- name: GetDatasetVersion :one
-- GetDatasetVersion returns what the ETag of a dataset and of its lists is made of, and its slug. Called for If-None-Match.
-- index: indicator_datasets_pkey. cost: 1 row.
SELECT version, created_at, questdb_tag
FROM indicator_datasets
WHERE dataset_id = @dataset_id;

-- name: GetManifest :one
-- GetManifest returns the export manifest: what the row says, over what the exporter stored as metadata.
-- Called by GET /api/datasets/{id}/manifest.
-- index: indicator_datasets_pkey. cost: 1 row.
SELECT
    (
        jsonb_build_object('version', 1, 'exported_at', to_char(d.created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'))
        || d.metadata
        || jsonb_build_object(
            'dataset_id', d.dataset_id,
            'dataset_slug', d.questdb_tag,
            'symbol', d.symbol,
            'granularity', d.granularity,
            'source', d.source,
            'ohlcv_measurement', d.ohlcv_measurement,
            'indicator_measurement', d.questdb_measurement,
            'bar_interval_ms', CASE WHEN d.bar_interval_ms > 0 THEN d.bar_interval_ms ELSE granularity_ms(d.granularity) END,
            'lookback_rows', d.lookback_rows,
            'first_ohlcv_timestamp_ms', epoch_ms(d.ohlcv_first_ts),
            'last_ohlcv_timestamp_ms', epoch_ms(d.ohlcv_last_ts),
            'first_indicator_timestamp_ms', epoch_ms(d.first_bar_ts),
            'last_indicator_timestamp_ms', epoch_ms(d.last_bar_ts),
            'ohlcv_rows', d.ohlcv_row_count,
            'indicator_rows', d.row_count
        )
    )::jsonb AS manifest,
    d.version,
    d.created_at
FROM indicator_datasets AS d
WHERE d.dataset_id = @dataset_id;

-- name: ListDatasetMeasurements :many
-- ListDatasetMeasurements returns what datasets say of their rows in QuestDB, in the order of their ids. Called by foldbook doctor.
-- index: indicator_datasets_pkey. cost: page_size rows.
SELECT *
FROM indicator_datasets
WHERE dataset_id > @after_id
ORDER BY dataset_id
LIMIT @page_size::int;

-- name: ListDatasetSummaries :many
-- ListDatasetSummaries returns datasets in the shape of the current API, newest first, from a cursor on when one is given.
-- Called by GET /api/datasets.
-- index: indicator_datasets_created_at_idx, walkforward_runs_dataset_id_idx, simulation_runs_dataset_id_idx.
-- cost: page_offset + page_size rows and index scans of their children, more when a filter skips some.
SELECT
    d.*,
    d.questdb_tag AS dataset_slug,
    epoch_ms(d.ohlcv_first_ts)::bigint AS ohlcv_first_ms,
    epoch_ms(d.ohlcv_last_ts)::bigint AS ohlcv_last_ms,
    epoch_ms(d.first_bar_ts)::bigint AS first_bar_ms,
    epoch_ms(d.last_bar_ts)::bigint AS last_bar_ms,
    (SELECT count(*) FROM walkforward_runs AS r WHERE r.dataset_id = d.dataset_id)::bigint AS run_count,
    (SELECT count(*) FROM simulation_runs AS s WHERE s.dataset_id = d.dataset_id)::bigint AS simulation_count
FROM indicator_datasets AS d
WHERE
    (sqlc.narg('symbol')::text IS NULL OR d.symbol = sqlc.narg('symbol'))
    AND (sqlc.narg('granularity')::text IS NULL OR d.granularity = sqlc.narg('granularity'))
    AND (sqlc.narg('source')::text IS NULL OR d.source = sqlc.narg('source'))
    AND (sqlc.narg('pattern')::text IS NULL OR d.search_text LIKE fold_case(sqlc.narg('pattern')))
    AND (
        sqlc.narg('after_at')::timestamptz IS NULL
        OR (d.created_at <= sqlc.narg('after_at') AND (d.created_at < sqlc.narg('after_at') OR d.dataset_id > @after_id))
    )
ORDER BY d.created_at DESC, d.dataset_id
LIMIT @page_size::int OFFSET @page_offset::bigint;

-- name: ListDatasets :many
-- ListDatasets returns datasets, newest first. Called by GET /api/indicators/datasets.
-- index: indicator_datasets_created_at_idx. cost: page_offset + page_size rows, more when a filter skips some.
SELECT *
FROM indicator_datasets
WHERE
    (sqlc.narg('granularity')::text IS NULL OR granularity = sqlc.narg('granularity'))
    AND (sqlc.narg('source')::text IS NULL OR source = sqlc.narg('source'))
ORDER BY created_at DESC, dataset_id
LIMIT @page_size::int OFFSET @page_offset::bigint;

-- name: ListDatasetsBySymbol :many
-- ListDatasetsBySymbol returns the datasets of one symbol, newest first. Called by GET /api/indicators/datasets?symbol=.
-- index: indicator_datasets_symbol_granularity_idx. cost: the rows of the symbol, sorted.
SELECT *
FROM indicator_datasets
WHERE
    symbol = @symbol
    AND (sqlc.narg('granularity')::text IS NULL OR granularity = sqlc.narg('granularity'))
    AND (sqlc.narg('source')::text IS NULL OR source = sqlc.narg('source'))
ORDER BY created_at DESC, dataset_id
LIMIT @page_size::int OFFSET @page_offset::bigint;

-- name: LockDataset :one
-- LockDataset finds a dataset by id, or else by slug, and keeps others from writing it until the transaction ends. slug_taken tells
-- that another one has the slug.
-- Called by the writes of datasets.
-- index: indicator_datasets_pkey, indicator_datasets_questdb_tag_key. cost: at most 2 rows.
SELECT
    d.dataset_id,
    d.version,
    d.created_at,
    d.questdb_measurement,
    d.ohlcv_measurement,
    EXISTS (SELECT FROM indicator_datasets AS o WHERE o.questdb_tag = @questdb_tag AND o.dataset_id <> d.dataset_id)::boolean AS slug_taken
FROM indicator_datasets AS d
WHERE d.dataset_id = @dataset_id OR d.questdb_tag = @questdb_tag
ORDER BY (d.dataset_id = @dataset_id) DESC
LIMIT 1
FOR UPDATE;

-- name: ListDatasetSlugs :many
-- ListDatasetSlugs returns the slugs of datasets, which lists of runs and simulations are filtered by. Called by those lists.
-- index: indicator_datasets_pkey. cost: a row for each id.
SELECT questdb_tag
FROM indicator_datasets
WHERE dataset_id = ANY(@ids::uuid[])
ORDER BY questdb_tag
LIMIT 10000;

-- name: MergeDataset :one
-- MergeDataset creates a dataset or merges what is given into the stored one: what is null is kept, metadata is merged
-- by top-level key. created_at is that of a dataset which is imported, and stays. Called by POST and PUT /api/datasets.
-- index: indicator_datasets_pkey. cost: 1 row.
WITH event AS (
    INSERT INTO events (topic, kind, subject_id, dataset_id, data)
    SELECT
        'datasets',
        CASE WHEN EXISTS (SELECT FROM indicator_datasets AS d WHERE d.dataset_id = @dataset_id) THEN 'changed' ELSE 'created' END,
        @dataset_id::uuid, @dataset_id::uuid, jsonb_build_object('dataset_slug', @questdb_tag::text)
)
INSERT INTO indicator_datasets (
    dataset_id, created_at, symbol, granularity, source, questdb_tag, questdb_measurement, column_schema,
    row_count, first_bar_ts, last_bar_ts, ohlcv_measurement, ohlcv_row_count, ohlcv_first_ts, ohlcv_last_ts,
    bar_interval_ms, lookback_rows, metadata
) VALUES (
    @dataset_id,
    coalesce(sqlc.narg('created_at')::timestamptz, now()),
    coalesce(sqlc.narg('symbol')::text, 'UNKNOWN'),
    coalesce(sqlc.narg('granularity')::text, 'unknown'),
    coalesce(sqlc.narg('source')::text, 'chronosflow'),
    @questdb_tag,
    sqlc.narg('questdb_measurement'),
    coalesce(sqlc.narg('column_schema')::jsonb, '[]'),
    coalesce(sqlc.narg('row_count')::bigint, 0),
    sqlc.narg('first_bar_ts'),
    sqlc.narg('last_bar_ts'),
    sqlc.narg('ohlcv_measurement'),
    coalesce(sqlc.narg('ohlcv_row_count')::bigint, 0),
    sqlc.narg('ohlcv_first_ts'),
    sqlc.narg('ohlcv_last_ts'),
    coalesce(sqlc.narg('bar_interval_ms')::bigint, 0),
    coalesce(sqlc.narg('lookback_rows')::bigint, 0),
    coalesce(sqlc.narg('metadata')::jsonb, '{}')
)
ON CONFLICT (dataset_id) DO UPDATE SET
    symbol = coalesce(sqlc.narg('symbol')::text, indicator_datasets.symbol),
    granularity = coalesce(sqlc.narg('granularity')::text, indicator_datasets.granularity),
    source = coalesce(sqlc.narg('source')::text, indicator_datasets.source),
    questdb_tag = excluded.questdb_tag,
    questdb_measurement = coalesce(sqlc.narg('questdb_measurement')::text, indicator_datasets.questdb_measurement),
    column_schema = coalesce(sqlc.narg('column_schema')::jsonb, indicator_datasets.column_schema),
    row_count = coalesce(sqlc.narg('row_count')::bigint, indicator_datasets.row_count),
    first_bar_ts = coalesce(excluded.first_bar_ts, indicator_datasets.first_bar_ts),
    last_bar_ts = coalesce(excluded.last_bar_ts, indicator_datasets.last_bar_ts),
    ohlcv_measurement = coalesce(sqlc.narg('ohlcv_measurement')::text, indicator_datasets.ohlcv_measurement),
    ohlcv_row_count = coalesce(sqlc.narg('ohlcv_row_count')::bigint, indicator_datasets.ohlcv_row_count),
    ohlcv_first_ts = coalesce(excluded.ohlcv_first_ts, indicator_datasets.ohlcv_first_ts),
    ohlcv_last_ts = coalesce(excluded.ohlcv_last_ts, indicator_datasets.ohlcv_last_ts),
    bar_interval_ms = coalesce(sqlc.narg('bar_interval_ms')::bigint, indicator_datasets.bar_interval_ms),
    lookback_rows = coalesce(sqlc.narg('lookback_rows')::bigint, indicator_datasets.lookback_rows),
    metadata = indicator_datasets.metadata || excluded.metadata,
    version = indicator_datasets.version + 1
RETURNING (xmax = 0)::boolean AS created, version, created_at, questdb_measurement, ohlcv_measurement;

-- name: RefreshBars :one
-- RefreshBars notes what was counted of the bars of a dataset, in its metadata too, if it still names the table that was counted.
-- Called after bars were added.
-- index: indicator_datasets_pkey. cost: 1 row.
WITH event AS (
    INSERT INTO events (topic, kind, subject_id, dataset_id, data)
    SELECT
        'datasets', 'rows', d.dataset_id, d.dataset_id,
        jsonb_build_object('dataset_slug', d.questdb_tag, 'series', 'ohlcv', 'row_count', @ohlcv_row_count::bigint)
    FROM indicator_datasets AS d
    WHERE d.dataset_id = @dataset_id AND d.ohlcv_measurement = @counted
)
UPDATE indicator_datasets SET
    ohlcv_row_count = @ohlcv_row_count,
    ohlcv_first_ts = sqlc.narg('ohlcv_first_ts'),
    ohlcv_last_ts = sqlc.narg('ohlcv_last_ts'),
    metadata = metadata || jsonb_build_object(
        'ohlcv_rows', @ohlcv_row_count::bigint,
        'first_ohlcv_timestamp_ms', epoch_ms(sqlc.narg('ohlcv_first_ts')::timestamptz),
        'last_ohlcv_timestamp_ms', epoch_ms(sqlc.narg('ohlcv_last_ts')::timestamptz)
    ),
    version = version + 1
WHERE indicator_datasets.dataset_id = @dataset_id AND indicator_datasets.ohlcv_measurement = @counted
RETURNING version, created_at;

-- name: RefreshIndicators :one
-- RefreshIndicators notes what was counted of the indicator rows of a dataset, in its metadata too, if it still names the table
-- that was counted. Called after rows were added.
-- index: indicator_datasets_pkey. cost: 1 row.
WITH event AS (
    INSERT INTO events (topic, kind, subject_id, dataset_id, data)
    SELECT
        'datasets', 'rows', d.dataset_id, d.dataset_id,
        jsonb_build_object('dataset_slug', d.questdb_tag, 'series', 'indicators', 'row_count', @row_count::bigint)
    FROM indicator_datasets AS d
    WHERE d.dataset_id = @dataset_id AND d.questdb_measurement = @counted
)
UPDATE indicator_datasets SET
    row_count = @row_count,
    first_bar_ts = sqlc.narg('first_bar_ts'),
    last_bar_ts = sqlc.narg('last_bar_ts'),
    column_schema = @column_schema,
    metadata = metadata || jsonb_build_object(
        'indicator_rows', @row_count::bigint,
        'first_indicator_timestamp_ms', epoch_ms(sqlc.narg('first_bar_ts')::timestamptz),
        'last_indicator_timestamp_ms', epoch_ms(sqlc.narg('last_bar_ts')::timestamptz)
    ),
    version = version + 1
WHERE indicator_datasets.dataset_id = @dataset_id AND indicator_datasets.questdb_measurement = @counted
RETURNING version, created_at;

-- name: TouchDatasets :execrows
-- TouchDatasets raises the versions of datasets whose runs or simulations were deleted. Called by the deletes, last in the
-- transaction, because other writers of the datasets wait for it; it locks them in one order, so that two cannot wait for each other.
-- index: indicator_datasets_pkey. cost: 1 row for each id.
UPDATE indicator_datasets AS d
SET version = d.version + 1
WHERE d.dataset_id IN (
    SELECT l.dataset_id
    FROM indicator_datasets AS l
    WHERE l.dataset_id = ANY(@dataset_ids::uuid[])
    ORDER BY l.dataset_id
    FOR NO KEY UPDATE
);

-- name: UpsertDataset :one
-- UpsertDataset creates a dataset or replaces all of it but created_at. Called by the seed.
-- created tells which of both it did (a row that this statement inserted has no deleting transaction).
-- index: indicator_datasets_pkey. cost: 1 row.
INSERT INTO indicator_datasets (
    dataset_id, symbol, granularity, source, questdb_tag, questdb_measurement, column_schema,
    row_count, first_bar_ts, last_bar_ts, ohlcv_measurement, ohlcv_row_count, ohlcv_first_ts, ohlcv_last_ts,
    bar_interval_ms, lookback_rows, metadata
) VALUES (
    @dataset_id, @symbol, @granularity, @source, @questdb_tag, @questdb_measurement, @column_schema,
    @row_count, @first_bar_ts, @last_bar_ts, sqlc.narg('ohlcv_measurement'), @ohlcv_row_count, @ohlcv_first_ts, @ohlcv_last_ts,
    @bar_interval_ms, @lookback_rows, @metadata
)
ON CONFLICT (dataset_id) DO UPDATE SET
    symbol = excluded.symbol,
    granularity = excluded.granularity,
    source = excluded.source,
    questdb_tag = excluded.questdb_tag,
    questdb_measurement = excluded.questdb_measurement,
    column_schema = excluded.column_schema,
    row_count = excluded.row_count,
    first_bar_ts = excluded.first_bar_ts,
    last_bar_ts = excluded.last_bar_ts,
    ohlcv_measurement = excluded.ohlcv_measurement,
    ohlcv_row_count = excluded.ohlcv_row_count,
    ohlcv_first_ts = excluded.ohlcv_first_ts,
    ohlcv_last_ts = excluded.ohlcv_last_ts,
    bar_interval_ms = excluded.bar_interval_ms,
    lookback_rows = excluded.lookback_rows,
    metadata = excluded.metadata,
    version = indicator_datasets.version + 1
RETURNING (xmax = 0)::boolean AS created;

