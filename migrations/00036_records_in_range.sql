-- +goose Up
-- What a filter leaves, as a set that the planner cannot take apart (OFFSET 0). It has no statistics of the values of one key, expects
-- many times as many rows as a range has, and would rather walk all values of two keys side by side than join two small ranges.
-- +goose StatementBegin
CREATE FUNCTION runs_in_range(keys text, low double precision, high double precision)
RETURNS SETOF uuid
LANGUAGE sql STABLE PARALLEL SAFE
AS $$
    SELECT m.run_id
    FROM walkforward_run_metrics AS m
    WHERE m.key = ANY(string_to_array(keys, E'\x02')) AND m.value BETWEEN low AND high
    OFFSET 0
$$;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE FUNCTION simulations_in_range(keys text, low double precision, high double precision)
RETURNS SETOF uuid
LANGUAGE sql STABLE PARALLEL SAFE
AS $$
    SELECT m.simulation_id
    FROM simulation_run_metrics AS m
    WHERE m.key = ANY(string_to_array(keys, E'\x02')) AND m.value BETWEEN low AND high
    OFFSET 0
$$;
-- +goose StatementEnd
COMMENT ON FUNCTION runs_in_range(text, double precision, double precision) IS
'The ids of the runs that have a value within low and high, both included, at one of the keys, which U+0002 separates.';
COMMENT ON FUNCTION simulations_in_range(text, double precision, double precision) IS
'The ids of the simulations that have a value within low and high, both included, at one of the keys, which U+0002 separates.';

-- +goose Down
DROP FUNCTION simulations_in_range(text, double precision, double precision);
DROP FUNCTION runs_in_range(text, double precision, double precision);
