-- +goose Up
CREATE TABLE indicator_datasets (
    dataset_id uuid NOT NULL DEFAULT gen_random_uuid(),
    symbol text NOT NULL DEFAULT 'UNKNOWN',
    granularity text NOT NULL DEFAULT 'unknown',
    source text NOT NULL DEFAULT 'chronosflow',
    questdb_tag text NOT NULL,
    questdb_measurement text NOT NULL DEFAULT 'indicator_bars',
    column_schema jsonb NOT NULL DEFAULT '[]',
    row_count bigint NOT NULL DEFAULT 0,
    first_bar_ts timestamptz,
    last_bar_ts timestamptz,
    ohlcv_measurement text,
    ohlcv_row_count bigint NOT NULL DEFAULT 0,
    ohlcv_first_ts timestamptz,
    ohlcv_last_ts timestamptz,
    bar_interval_ms bigint NOT NULL DEFAULT 0,
    lookback_rows bigint NOT NULL DEFAULT 0,
    metadata jsonb NOT NULL DEFAULT '{}',
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT indicator_datasets_pkey PRIMARY KEY (dataset_id),
    CONSTRAINT indicator_datasets_questdb_tag_key UNIQUE (questdb_tag),
    CONSTRAINT indicator_datasets_column_schema_check CHECK (jsonb_typeof(column_schema) = 'array'),
    CONSTRAINT indicator_datasets_row_count_check CHECK (row_count >= 0),
    CONSTRAINT indicator_datasets_bar_ts_check CHECK (last_bar_ts >= first_bar_ts),
    CONSTRAINT indicator_datasets_ohlcv_row_count_check CHECK (ohlcv_row_count >= 0),
    CONSTRAINT indicator_datasets_ohlcv_ts_check CHECK (ohlcv_last_ts >= ohlcv_first_ts),
    CONSTRAINT indicator_datasets_bar_interval_ms_check CHECK (bar_interval_ms >= 0),
    CONSTRAINT indicator_datasets_lookback_rows_check CHECK (lookback_rows >= 0),
    CONSTRAINT indicator_datasets_metadata_check CHECK (jsonb_typeof(metadata) = 'object')
);

COMMENT ON TABLE indicator_datasets IS 'An indicator data set: where its rows are in QuestDB, how many there are and what they span.';
COMMENT ON COLUMN indicator_datasets.granularity IS 'Bar length in canonical form: 4h, 1h, 1d; other texts are kept as they came.';
COMMENT ON COLUMN indicator_datasets.questdb_tag IS 'Unique name of the data set (its slug), and the tag of its rows in a shared QuestDB table.';
COMMENT ON COLUMN indicator_datasets.questdb_measurement IS 'QuestDB table of the indicator rows; many data sets may share one.';
COMMENT ON COLUMN indicator_datasets.column_schema IS 'Columns of the indicator rows: an array of {name, type, role}.';
COMMENT ON COLUMN indicator_datasets.row_count IS 'Number of indicator rows.';
COMMENT ON COLUMN indicator_datasets.first_bar_ts IS 'Time of the first indicator row.';
COMMENT ON COLUMN indicator_datasets.last_bar_ts IS 'Time of the last indicator row.';
COMMENT ON COLUMN indicator_datasets.ohlcv_measurement IS 'QuestDB table of the bars; null means the tag followed by _ohlcv.';
COMMENT ON COLUMN indicator_datasets.ohlcv_row_count IS 'Number of bars.';
COMMENT ON COLUMN indicator_datasets.ohlcv_first_ts IS 'Time of the first bar.';
COMMENT ON COLUMN indicator_datasets.ohlcv_last_ts IS 'Time of the last bar.';
COMMENT ON COLUMN indicator_datasets.bar_interval_ms IS 'Distance of two bars in milliseconds, 0 when unknown.';
COMMENT ON COLUMN indicator_datasets.lookback_rows IS 'Bars that the indicators need before their first row.';
COMMENT ON COLUMN indicator_datasets.metadata IS 'The export manifest, as the exporting client wrote it.';

-- Serves ListDatasetsBySymbol.
CREATE INDEX indicator_datasets_symbol_granularity_idx ON indicator_datasets (symbol, granularity, created_at DESC, dataset_id);
-- Serves ListDatasets.
CREATE INDEX indicator_datasets_created_at_idx ON indicator_datasets (created_at DESC, dataset_id);

-- +goose StatementBegin
CREATE FUNCTION set_updated_at() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    NEW.updated_at := now();
    RETURN NEW;
END
$$;
-- +goose StatementEnd

CREATE TRIGGER indicator_datasets_updated_at
BEFORE UPDATE ON indicator_datasets
FOR EACH ROW EXECUTE FUNCTION set_updated_at();

-- +goose Down
DROP TABLE indicator_datasets;
DROP FUNCTION set_updated_at();
