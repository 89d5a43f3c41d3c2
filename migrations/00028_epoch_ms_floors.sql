-- +goose Up
-- A time belongs to the millisecond that it is in, as in the answers of the series: 00:00:00.0009 is at 0 ms.
-- +goose StatementBegin
CREATE OR REPLACE FUNCTION epoch_ms(at timestamptz) RETURNS bigint
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN coalesce(floor(extract(EPOCH FROM at) * 1000)::bigint, 0);
-- +goose StatementEnd

-- +goose Down
-- +goose StatementBegin
CREATE OR REPLACE FUNCTION epoch_ms(at timestamptz) RETURNS bigint
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN coalesce((extract(EPOCH FROM at) * 1000)::bigint, 0);
-- +goose StatementEnd
