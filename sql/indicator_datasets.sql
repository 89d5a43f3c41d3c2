-- name: CountDatasets :one
-- CountDatasets counts the data sets that ListDatasets pages through. Called for X-Total-Count when a page is full.
-- index: indicator_datasets_questdb_tag_key. cost: one pass over the data sets, of which there are few.
SELECT count(*)::bigint AS total
FROM indicator_datasets
WHERE
    (sqlc.narg('symbol')::text IS NULL OR symbol = sqlc.narg('symbol'))
    AND (sqlc.narg('granularity')::text IS NULL OR granularity = sqlc.narg('granularity'))
    AND (sqlc.narg('source')::text IS NULL OR source = sqlc.narg('source'));

-- name: GetDataset :one
-- GetDataset returns one data set. Called by GET /api/indicators/datasets/{id}.
-- index: indicator_datasets_pkey. cost: 1 row.
SELECT *
FROM indicator_datasets
WHERE dataset_id = @dataset_id;

-- name: ListDatasets :many
-- ListDatasets returns data sets, newest first. Called by GET /api/indicators/datasets.
-- index: indicator_datasets_created_at_idx. cost: page_offset + page_size rows, more when a filter skips some.
SELECT *
FROM indicator_datasets
WHERE
    (sqlc.narg('granularity')::text IS NULL OR granularity = sqlc.narg('granularity'))
    AND (sqlc.narg('source')::text IS NULL OR source = sqlc.narg('source'))
ORDER BY created_at DESC, dataset_id
LIMIT @page_size::int OFFSET @page_offset::bigint;

-- name: ListDatasetsBySymbol :many
-- ListDatasetsBySymbol returns the data sets of one symbol, newest first. Called by GET /api/indicators/datasets?symbol=.
-- index: indicator_datasets_symbol_granularity_idx. cost: the rows of the symbol, sorted.
SELECT *
FROM indicator_datasets
WHERE
    symbol = @symbol
    AND (sqlc.narg('granularity')::text IS NULL OR granularity = sqlc.narg('granularity'))
    AND (sqlc.narg('source')::text IS NULL OR source = sqlc.narg('source'))
ORDER BY created_at DESC, dataset_id
LIMIT @page_size::int OFFSET @page_offset::bigint;

-- name: UpsertDataset :one
-- UpsertDataset creates a data set or replaces all of it but created_at. Called by the seed.
-- created tells which of both it did (a row that this statement inserted has no deleting transaction).
-- index: indicator_datasets_pkey. cost: 1 row.
INSERT INTO indicator_datasets (
    dataset_id, symbol, granularity, source, questdb_tag, questdb_measurement, column_schema,
    row_count, first_bar_ts, last_bar_ts, ohlcv_measurement, ohlcv_row_count, ohlcv_first_ts, ohlcv_last_ts,
    bar_interval_ms, lookback_rows, metadata
) VALUES (
    @dataset_id, @symbol, @granularity, @source, @questdb_tag, @questdb_measurement, @column_schema,
    @row_count, @first_bar_ts, @last_bar_ts, @ohlcv_measurement, @ohlcv_row_count, @ohlcv_first_ts, @ohlcv_last_ts,
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
    metadata = excluded.metadata
RETURNING (xmax = 0)::boolean AS created;
