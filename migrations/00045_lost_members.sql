-- +goose Up
-- Members of objects within objects are lost like those above them.
-- +goose StatementBegin
CREATE OR REPLACE FUNCTION lost_keys(former jsonb, newer jsonb) RETURNS text[]
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN ARRAY(
    WITH RECURSIVE changed (path, depth, was, now) AS (
        SELECT f.key, 1, f.value, newer -> f.key
        FROM jsonb_each(former) AS f
        WHERE f.value IS DISTINCT FROM newer -> f.key
        UNION ALL
        SELECT c.path || '.' || m.key, c.depth + 1, m.value, c.now -> m.key
        FROM changed AS c
        CROSS JOIN LATERAL jsonb_each(CASE WHEN jsonb_typeof(c.was) = 'object' THEN c.was ELSE '{}' END) AS m
        WHERE c.now IS NOT NULL AND m.value IS DISTINCT FROM c.now -> m.key
    )
    SELECT c.path
    FROM changed AS c
    WHERE
        CASE
            WHEN c.depth > 1 THEN c.now IS NULL
            ELSE jsonb_typeof(c.was) NOT IN ('object', 'array', 'null') AND c.now = 'null'
        END
    UNION ALL
    SELECT c.path || ' ' || e.value::text
    FROM changed AS c
    CROSS JOIN LATERAL jsonb_array_elements(CASE WHEN jsonb_typeof(c.was) = 'array' THEN c.was ELSE '[]' END) AS e (value)
    WHERE c.depth = 1 AND NOT c.now @> jsonb_build_array(e.value)
    LIMIT 20
);
-- +goose StatementEnd

-- +goose Down
-- +goose StatementBegin
CREATE OR REPLACE FUNCTION lost_keys(former jsonb, newer jsonb) RETURNS text[]
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN ARRAY(
    SELECT f.key
    FROM jsonb_each(jsonb_strip_nulls(former)) AS f
    WHERE jsonb_typeof(f.value) NOT IN ('object', 'array') AND newer -> f.key = 'null'
    UNION ALL
    SELECT f.key || '.' || k.key
    FROM jsonb_each(former) AS f
    CROSS JOIN LATERAL jsonb_object_keys(CASE WHEN jsonb_typeof(f.value) = 'object' THEN f.value ELSE '{}' END) AS k (key)
    WHERE NOT (newer -> f.key) ? k.key
    UNION ALL
    SELECT f.key || ' ' || e.value::text
    FROM jsonb_each(former) AS f
    CROSS JOIN LATERAL jsonb_array_elements(CASE WHEN jsonb_typeof(f.value) = 'array' THEN f.value ELSE '[]' END) AS e (value)
    WHERE NOT (newer -> f.key) @> jsonb_build_array(e.value)
    LIMIT 20
);
-- +goose StatementEnd
