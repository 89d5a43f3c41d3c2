-- +goose Up
-- +goose StatementBegin
CREATE FUNCTION configuration_digest(target_column text, feature_columns jsonb, hyperparameters jsonb, walk_config jsonb, serialized_config text)
RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN encode(sha256(convert_to(jsonb_build_array(
    target_column, (SELECT jsonb_agg(DISTINCT f.name ORDER BY f.name) FROM jsonb_array_elements(feature_columns) AS f (name)),
    hyperparameters, walk_config, serialized_config
)::text, 'UTF8')), 'hex');
-- +goose StatementEnd
COMMENT ON FUNCTION configuration_digest IS 'Tells configurations of runs apart; features count as a set.';

-- The ledger of what was tried. Rows are only added, by the statements that write runs and simulations, and have no foreign keys: what was
-- deleted was tried all the same.
CREATE TABLE search_trials (
    trial_id bigint GENERATED ALWAYS AS IDENTITY,
    dataset_id uuid NOT NULL,
    target_column text NOT NULL,
    search_id text NOT NULL,
    digest text NOT NULL,
    simulation_digest text NOT NULL,
    run_id uuid NOT NULL,
    first_seen_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT search_trials_pkey PRIMARY KEY (trial_id),
    CONSTRAINT search_trials_once_key UNIQUE (dataset_id, target_column, search_id, digest, simulation_digest, run_id)
);
COMMENT ON TABLE search_trials IS 'Every configuration that was ever stored, by the search that it is a trial of.';
COMMENT ON COLUMN search_trials.search_id IS 'The search that the writer names; empty for none.';
COMMENT ON COLUMN search_trials.digest IS 'Of the configuration of the run.';
COMMENT ON COLUMN search_trials.simulation_digest IS 'Of the configuration of a simulation of it; empty for the run itself.';
-- Serves CountTrials and ListDeletedReturns of a search_id.
CREATE INDEX search_trials_search_id_idx ON search_trials (search_id, digest);

INSERT INTO search_trials (dataset_id, target_column, search_id, digest, simulation_digest, run_id)
SELECT
    r.dataset_id, r.target_column, coalesce(r.search_id, ''),
    configuration_digest(r.target_column, r.feature_columns, r.hyperparameters, r.walk_config, r.serialized_config), '', r.run_id
FROM walkforward_runs AS r;
INSERT INTO search_trials (dataset_id, target_column, search_id, digest, simulation_digest, run_id)
SELECT DISTINCT
    r.dataset_id, r.target_column, coalesce(r.search_id, ''),
    configuration_digest(r.target_column, r.feature_columns, r.hyperparameters, r.walk_config, r.serialized_config),
    encode(sha256(convert_to(jsonb_build_array(s.mode, s.config)::text, 'UTF8')), 'hex'), r.run_id
FROM simulation_runs AS s
INNER JOIN walkforward_runs AS r ON s.run_id = r.run_id;

-- +goose Down
DROP TABLE search_trials;
DROP FUNCTION configuration_digest(text, jsonb, jsonb, jsonb, text);
