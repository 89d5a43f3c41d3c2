-- +goose Up
-- The name that rows of bars are written under when a dataset names no table; reads had joined slug and suffix instead, which is
-- another table for a slug with capitals or signs.
-- +goose StatementBegin
CREATE FUNCTION default_bars_table(slug text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN ltrim(left(regexp_replace(
    translate(slug, 'ABCDEFGHIJKLMNOPQRSTUVWXYZ', 'abcdefghijklmnopqrstuvwxyz'), '[^a-z0-9_-]', '_', 'g'
), 120), '-') || '_ohlcv';
-- +goose StatementEnd
COMMENT ON FUNCTION default_bars_table IS 'Table of bars in QuestDB of a dataset that names none.';

-- +goose Down
DROP FUNCTION default_bars_table(text);
