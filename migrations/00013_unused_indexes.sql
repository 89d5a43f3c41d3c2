-- +goose Up
-- No query of the service needs them.
DROP INDEX walkforward_runs_prediction_measurement_idx;
DROP INDEX simulation_runs_questdb_namespace_idx;

-- +goose Down
-- For scripts that know a table of predictions or of traces and look for its run or simulation.
CREATE INDEX simulation_runs_questdb_namespace_idx ON simulation_runs (questdb_namespace);
CREATE INDEX walkforward_runs_prediction_measurement_idx ON walkforward_runs (prediction_measurement);
