-- +goose Up
-- A version is raised by every statement that writes the row or something below it, so that an ETag can be told from
-- one indexed row without reading the children.
ALTER TABLE indicator_datasets ADD COLUMN version bigint NOT NULL DEFAULT 1;
ALTER TABLE walkforward_runs ADD COLUMN version bigint NOT NULL DEFAULT 1;
ALTER TABLE simulation_runs ADD COLUMN version bigint NOT NULL DEFAULT 1;

COMMENT ON COLUMN indicator_datasets.version IS 'Raised by every change of the data set, its runs and its simulations.';
COMMENT ON COLUMN walkforward_runs.version IS 'Raised by every change of the run and its folds.';
COMMENT ON COLUMN simulation_runs.version IS 'Raised by every change of the simulation, its buckets and its trades.';

-- +goose StatementBegin
CREATE FUNCTION epoch_ms(at timestamptz) RETURNS bigint
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN coalesce((extract(EPOCH FROM at) * 1000)::bigint, 0);
-- +goose StatementEnd
COMMENT ON FUNCTION epoch_ms IS 'Milliseconds since the epoch, 0 for no time.';

-- +goose StatementBegin
CREATE FUNCTION granularity_ms(granularity text) RETURNS bigint
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN granularity ~ '^[0-9]{1,9}(ms|s|m|h|d|w)$' THEN
    substring(granularity FROM '^[0-9]+')::bigint * CASE substring(granularity FROM '[a-z]+$')
        WHEN 'ms' THEN 1
        WHEN 's' THEN 1000
        WHEN 'm' THEN 60000
        WHEN 'h' THEN 3600000
        WHEN 'd' THEN 86400000
        ELSE 604800000
    END
ELSE 0 END;
-- +goose StatementEnd
COMMENT ON FUNCTION granularity_ms IS 'Length of a bar in milliseconds, 0 when the text does not tell.';

-- +goose Down
DROP FUNCTION granularity_ms(text);
DROP FUNCTION epoch_ms(timestamptz);
ALTER TABLE simulation_runs DROP COLUMN version;
ALTER TABLE walkforward_runs DROP COLUMN version;
ALTER TABLE indicator_datasets DROP COLUMN version;
