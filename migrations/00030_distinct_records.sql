-- +goose Up
-- The rows of a record lie together, so that a sample of them shows an eighth of the records that there are: the planner then expects
-- eight times as many matches of two filters as there are, and looks for them one by one. A record has some 25 rows.
ALTER TABLE walkforward_run_metrics ALTER COLUMN run_id SET (n_distinct = -0.04);
ALTER TABLE simulation_run_metrics ALTER COLUMN simulation_id SET (n_distinct = -0.04);
ANALYZE walkforward_run_metrics, simulation_run_metrics;

-- +goose Down
ALTER TABLE walkforward_run_metrics ALTER COLUMN run_id RESET (n_distinct);
ALTER TABLE simulation_run_metrics ALTER COLUMN simulation_id RESET (n_distinct);
