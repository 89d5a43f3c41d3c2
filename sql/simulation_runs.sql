-- name: CountSearchedSimulations :one
-- CountSearchedSimulations counts what SearchSimulations pages through, at most as far as max_count; as CountSearchedRuns.
-- Called for the totals of its lists.
-- index: none, the filters decide. cost: all simulations that the filters look at.
SELECT count(*)::bigint AS total
FROM (
    SELECT
    FROM simulation_runs AS s
    LEFT JOIN simulations_in_range((@joined_keys::text[])[1], (@joined_lows::float8[])[1], (@joined_highs::float8[])[1]) AS m1 (simulation_id)
        ON s.simulation_id = m1.simulation_id
    LEFT JOIN simulations_in_range((@joined_keys::text[])[2], (@joined_lows::float8[])[2], (@joined_highs::float8[])[2]) AS m2 (simulation_id)
        ON s.simulation_id = m2.simulation_id
    WHERE
        (
            sqlc.narg('pattern')::text IS NULL
            OR s.search_text LIKE fold_case(sqlc.narg('pattern'))
            OR s.dataset_id = ANY(ARRAY(
                SELECT d.dataset_id
                FROM indicator_datasets AS d
                WHERE d.search_text LIKE fold_case(sqlc.narg('pattern'))
            ))
            OR EXISTS (
                SELECT
                FROM walkforward_runs AS r
                WHERE r.run_id = s.run_id
                    AND r.search_text LIKE fold_case(sqlc.narg('pattern'))
            )
        )
        AND (sqlc.narg('ids')::uuid[] IS NULL OR s.simulation_id = ANY(sqlc.narg('ids')))
        AND ((@joined_keys::text[])[1] IS NULL OR (m1.simulation_id IS NOT NULL) = (@joined_wanted::boolean[])[1])
        AND ((@joined_keys::text[])[2] IS NULL OR (m2.simulation_id IS NOT NULL) = (@joined_wanted::boolean[])[2])
        AND (coalesce(cardinality(@metric_keys::text[]), 0) = 0
            OR NOT EXISTS (SELECT FROM unmet_simulation_metrics(
                s.simulation_id, @metric_keys::text[], @metric_wanted::boolean[], @metric_lows::float8[], @metric_highs::float8[]
            )))
    LIMIT @max_count::bigint
) AS matching;

-- name: CountSimulationChildren :one
-- CountSimulationChildren counts what goes with a simulation. Called by DELETE /api/simulations/{id}.
-- index: simulation_trade_buckets_pkey, any of simulation_trades. cost: index scans of all below the simulation.
SELECT
    (SELECT count(*) FROM simulation_trade_buckets AS b WHERE b.simulation_id = @simulation_id)::bigint AS buckets,
    (SELECT count(*) FROM simulation_trades AS t WHERE t.simulation_id = @simulation_id)::bigint AS trades;

-- name: CountSimulations :one
-- CountSimulations counts the simulations that their lists page through. Called for X-Total-Count when a page is full.
-- index: any of simulation_runs. cost: one pass over the simulations.
SELECT count(*)::bigint AS total
FROM simulation_runs;

-- name: CountSimulationsByMetrics :one
-- CountSimulationsByMetrics counts what SearchSimulations pages through when nothing but metrics filters, at most as far as
-- max_count: what is in a first range, joined with the others as in CountSearchedSimulations. The simulations themselves are not read.
-- Called for the totals of its lists. It looks across all simulations.
-- index: any of simulation_run_metrics. cost: the index entries in the ranges.
SELECT count(*)::bigint AS total
FROM (
    SELECT
    FROM simulations_in_range(@key::text, @low::float8, @high::float8) AS m (simulation_id)
    LEFT JOIN simulations_in_range((@joined_keys::text[])[1], (@joined_lows::float8[])[1], (@joined_highs::float8[])[1]) AS m1 (simulation_id)
        ON m.simulation_id = m1.simulation_id
    LEFT JOIN simulations_in_range((@joined_keys::text[])[2], (@joined_lows::float8[])[2], (@joined_highs::float8[])[2]) AS m2 (simulation_id)
        ON m.simulation_id = m2.simulation_id
    WHERE
        ((@joined_keys::text[])[1] IS NULL OR (m1.simulation_id IS NOT NULL) = (@joined_wanted::boolean[])[1])
        AND ((@joined_keys::text[])[2] IS NULL OR (m2.simulation_id IS NOT NULL) = (@joined_wanted::boolean[])[2])
        AND (coalesce(cardinality(@metric_keys::text[]), 0) = 0
            OR NOT EXISTS (SELECT FROM unmet_simulation_metrics(
                m.simulation_id, @metric_keys::text[], @metric_wanted::boolean[], @metric_lows::float8[], @metric_highs::float8[]
            )))
    LIMIT @max_count::bigint
) AS matching;

-- name: DeleteSimulation :execrows
-- DeleteSimulation removes a simulation with its buckets and trades. Called by DELETE /api/simulations/{id}.
-- index: simulation_runs_pkey. cost: the simulation and all below it.
WITH gone AS (
    DELETE FROM simulation_runs AS s
    WHERE s.simulation_id = @simulation_id
    RETURNING s.simulation_id, s.run_id, s.dataset_id
)
INSERT INTO events (topic, kind, subject_id, run_id, dataset_id)
SELECT 'simulations', 'deleted', gone.simulation_id, gone.run_id, gone.dataset_id
FROM gone;

-- name: DeleteSimulationsByDataset :many
-- DeleteSimulationsByDataset removes the simulations of the runs of a dataset with all below them, and returns the datasets
-- that they are in, each once. Called by DELETE /api/datasets/{id}?cascade=true, whose own cascade does not reach
-- those in another dataset than their run.
-- index: walkforward_runs_dataset_id_idx, simulation_runs_run_id_idx. cost: the simulations and all below them.
-- @sqlc-vet-disable list-has-limit
WITH gone AS (
    DELETE FROM simulation_runs AS s
    USING walkforward_runs AS r
    WHERE s.run_id = r.run_id AND r.dataset_id = @dataset_id
    RETURNING s.simulation_id, s.run_id, s.dataset_id
), event AS (
    INSERT INTO events (topic, kind, subject_id, run_id, dataset_id)
    SELECT 'simulations', 'deleted', gone.simulation_id, gone.run_id, gone.dataset_id
    FROM gone
)
SELECT DISTINCT gone.dataset_id
FROM gone
ORDER BY gone.dataset_id;

-- name: DeleteSimulationsByRun :many
-- DeleteSimulationsByRun removes the simulations of a run with all below them, and returns the datasets that they are in,
-- each once. Called by DELETE /api/runs/{id}?cascade=true.
-- index: simulation_runs_run_id_idx. cost: the simulations and all below them.
-- @sqlc-vet-disable list-has-limit
WITH gone AS (
    DELETE FROM simulation_runs AS s
    WHERE s.run_id = @run_id
    RETURNING s.simulation_id, s.run_id, s.dataset_id
), event AS (
    INSERT INTO events (topic, kind, subject_id, run_id, dataset_id)
    SELECT 'simulations', 'deleted', gone.simulation_id, gone.run_id, gone.dataset_id
    FROM gone
)
SELECT DISTINCT gone.dataset_id
FROM gone
ORDER BY gone.dataset_id;

-- name: FinishSimulation :exec
-- FinishSimulation ends a write of a simulation as FinishRun does that of a run. Called by every write of one and by the seed.
-- index: simulation_runs_pkey, simulation_run_metrics_pkey, indicator_datasets_pkey. cost: the metrics of the simulation.
WITH numbers AS (
    SELECT s.simulation_id, v.key, v.value, s.created_at
    FROM simulation_runs AS s
    INNER JOIN indicator_datasets AS d ON s.dataset_id = d.dataset_id
    CROSS JOIN LATERAL search_values(
        ARRAY['summary_metrics', 'config', 'cost_model'], ARRAY[s.summary_metrics, s.config, s.cost_model],
        ARRAY['created_at', 'started_at', 'completed_at', 'initial_capital'],
        ARRAY[
            extract(EPOCH FROM s.created_at) * 1000, extract(EPOCH FROM s.started_at) * 1000, extract(EPOCH FROM s.completed_at) * 1000,
            s.initial_capital
        ]::double precision[],
        ARRAY['status', 'mode', 'input_run_measurement', 'questdb_namespace', 'run_id', 'dataset_slug', 'symbol', 'name']
        || array_fill('tags'::text, ARRAY[jsonb_array_length(s.tags)]),
        ARRAY[s.status, s.mode, s.input_run_measurement, s.questdb_namespace, s.run_id::text, d.questdb_tag, d.symbol, s.name]
        || ARRAY(SELECT jsonb_array_elements_text(s.tags))
    ) AS v (key, value)
    WHERE s.simulation_id = @simulation_id
), gone AS (
    DELETE FROM simulation_run_metrics AS m
    WHERE m.simulation_id = @simulation_id AND m.key <> ALL (ARRAY(SELECT n.key FROM numbers AS n))
), written AS (
    INSERT INTO simulation_run_metrics (simulation_id, key, value, created_at)
    SELECT n.simulation_id, n.key, n.value, n.created_at
    FROM numbers AS n
    LEFT JOIN simulation_run_metrics AS m ON n.simulation_id = m.simulation_id AND n.key = m.key
    WHERE m.value IS DISTINCT FROM n.value
    ON CONFLICT (simulation_id, key) DO UPDATE SET value = excluded.value
), tried AS (
    INSERT INTO search_trials (dataset_id, target_column, search_id, digest, simulation_digest, run_id)
    SELECT
        r.dataset_id, r.target_column, coalesce(r.search_id, ''),
        configuration_digest(r.target_column, r.feature_columns, r.hyperparameters, r.walk_config, r.serialized_config),
        encode(sha256(convert_to(jsonb_build_array(s.mode, s.config)::text, 'UTF8')), 'hex'), r.run_id
    FROM simulation_runs AS s
    INNER JOIN walkforward_runs AS r ON s.run_id = r.run_id
    WHERE s.simulation_id = @simulation_id
    ON CONFLICT DO NOTHING
), event AS (
    INSERT INTO events (topic, kind, subject_id, run_id, dataset_id, data)
    SELECT
        'simulations', CASE WHEN s.version = 1 THEN 'created' ELSE 'changed' END, s.simulation_id, s.run_id, s.dataset_id,
        jsonb_strip_nulls(jsonb_build_object('dataset_slug', d.questdb_tag, 'status', s.status, 'version', s.version, 'name', s.name))
    FROM simulation_runs AS s
    INNER JOIN indicator_datasets AS d ON s.dataset_id = d.dataset_id
    WHERE s.simulation_id = @simulation_id
)
UPDATE indicator_datasets AS d
SET version = d.version + 1
WHERE d.dataset_id IN (
    SELECT l.dataset_id
    FROM indicator_datasets AS l
    WHERE l.dataset_id = ANY(@dataset_ids::uuid[])
    ORDER BY l.dataset_id
    FOR NO KEY UPDATE
);

-- name: GetSimulation :batchone
-- GetSimulation returns one simulation; a batch form, so that it travels with ListBuckets.
-- Called by GET /api/tradesim/runs/{id}.
-- index: simulation_runs_pkey. cost: 1 row.
SELECT *
FROM simulation_runs
WHERE simulation_id = @simulation_id;

-- name: GetSimulationDestination :one
-- GetSimulationDestination returns where the trace of a simulation goes in QuestDB and what marks it there. Called by
-- POST /api/simulations/{id}/trace.
-- index: simulation_runs_pkey. cost: 1 row.
SELECT dataset_id, run_id, questdb_namespace, mode, version, created_at
FROM simulation_runs
WHERE simulation_id = @simulation_id;

-- name: GetSimulationSeries :one
-- GetSimulationSeries returns where the trace of a simulation is in QuestDB, the name that it may go by in a table that
-- several simulations share, what its exporter says it came to, and whose bars it traded on. Called by the routes that read or write traces.
-- index: simulation_runs_pkey. cost: 1 row.
SELECT
    questdb_namespace,
    coalesce(config ->> 'questdb_namespace', '')::text AS simulation_name,
    summary_metrics,
    dataset_id
FROM simulation_runs
WHERE simulation_id = @simulation_id;

-- name: GetSimulationSortKey :one
-- GetSimulationSortKey returns where a simulation is in an order by what it has at a path. Called for the cursor behind a page of a sorted list.
-- index: simulation_run_metrics_pkey. cost: 1 row.
SELECT m.key, m.value
FROM simulation_run_metrics AS m
WHERE
    m.simulation_id = @simulation_id
    AND m.key BETWEEN @first_key::text AND @last_key::text
    AND m.key <> sqlc.arg('first_key')::text || E'\x01';

-- name: GetSimulationSummary :batchone
-- GetSimulationSummary returns one simulation with the number of its trades; a batch form, so that it travels with ListBuckets.
-- Called by GET /api/simulations/{id}.
-- index: simulation_runs_pkey, any of simulation_trades. cost: 1 row and an index scan of its trades.
SELECT
    s.*,
    (SELECT count(*) FROM simulation_trades AS t WHERE t.simulation_id = s.simulation_id)::bigint AS trade_count
FROM simulation_runs AS s
WHERE s.simulation_id = @simulation_id;

-- name: GetSimulationVersion :one
-- GetSimulationVersion returns what the ETag of a simulation is made of. Called for If-None-Match.
-- index: simulation_runs_pkey. cost: 1 row.
SELECT version, created_at
FROM simulation_runs
WHERE simulation_id = @simulation_id;

-- name: ListSimulationMeasurements :many
-- ListSimulationMeasurements returns where simulations have their traces in QuestDB, in the order of their ids. Called by foldbook doctor.
-- index: simulation_runs_pkey. cost: page_size rows.
SELECT
    simulation_id,
    questdb_namespace,
    coalesce(config ->> 'questdb_namespace', '')::text AS simulation_name
FROM simulation_runs
WHERE simulation_id > @after_id
ORDER BY simulation_id
LIMIT @page_size::int;

-- name: ListSimulationSearchKeys :many
-- ListSimulationSearchKeys returns those of some keys that any simulation has. Called for the warnings of a search that finds nothing.
-- It looks across all simulations.
-- index: any of simulation_run_metrics. cost: an index entry each.
SELECT k.key::text AS key
FROM unnest(@keys::text[]) AS k (key)
WHERE EXISTS (SELECT FROM simulation_run_metrics AS m WHERE m.key = k.key)
ORDER BY k.key
LIMIT 1000;

-- name: ListSimulations :many
-- ListSimulations returns simulations, newest first. Called by GET /api/tradesim/runs.
-- index: simulation_runs_created_at_idx. cost: page_offset + page_size rows.
SELECT *
FROM simulation_runs
ORDER BY created_at DESC, simulation_id
LIMIT @page_size::int OFFSET @page_offset::bigint;

-- name: LockSimulation :one
-- LockSimulation returns what decides about a write of a simulation, and keeps others from writing it until the transaction
-- ends. Called by the writes of simulations.
-- index: simulation_runs_pkey. cost: 1 row.
SELECT run_id, dataset_id, status, version, created_at
FROM simulation_runs
WHERE simulation_id = @simulation_id
FOR UPDATE;

-- name: MatchSimulationsByMetrics :many
-- MatchSimulationsByMetrics returns the ids of simulations that CountSimulationsByMetrics counts, at most page_size: fewer than that are all of them. In no
-- order, which would have to be that of all of them. Called before SearchSimulations, which is faster on few candidates. It looks across all simulations.
-- index: any of simulation_run_metrics. cost: page_size index entries, or all in the first range when hardly one is in the others.
-- @sqlc-vet-disable many-has-order
SELECT m.simulation_id::uuid AS simulation_id
FROM simulations_in_range(@key::text, @low::float8, @high::float8) AS m (simulation_id)
LEFT JOIN simulations_in_range((@joined_keys::text[])[1], (@joined_lows::float8[])[1], (@joined_highs::float8[])[1]) AS m1 (simulation_id)
    ON m.simulation_id = m1.simulation_id
LEFT JOIN simulations_in_range((@joined_keys::text[])[2], (@joined_lows::float8[])[2], (@joined_highs::float8[])[2]) AS m2 (simulation_id)
    ON m.simulation_id = m2.simulation_id
WHERE
    ((@joined_keys::text[])[1] IS NULL OR (m1.simulation_id IS NOT NULL) = (@joined_wanted::boolean[])[1])
    AND ((@joined_keys::text[])[2] IS NULL OR (m2.simulation_id IS NOT NULL) = (@joined_wanted::boolean[])[2])
    AND (coalesce(cardinality(@metric_keys::text[]), 0) = 0
        OR NOT EXISTS (SELECT FROM unmet_simulation_metrics(
            m.simulation_id, @metric_keys::text[], @metric_wanted::boolean[], @metric_lows::float8[], @metric_highs::float8[]
        )))
LIMIT @page_size::int;

-- name: MatchSimulationsByText :many
-- MatchSimulationsByText returns the ids of simulations whose texts, or whose run's or dataset's, match a pattern, at most
-- page_size: fewer than that are all of them. Called before SearchSimulations, which is faster on few candidates. It looks
-- across all simulations.
-- index: simulation_runs_search_text_idx, walkforward_runs_search_text_idx, simulation_runs_run_id_idx, simulation_runs_dataset_id_idx.
-- cost: the matching rows; where pg_trgm is missing, all of them.
SELECT ids.simulation_id::uuid AS simulation_id
FROM (
    (
        SELECT s.simulation_id
        FROM simulation_runs AS s
        WHERE s.search_text LIKE fold_case(@pattern)
        LIMIT @page_size::int
    )
    UNION
    (
        SELECT s.simulation_id
        FROM walkforward_runs AS r
        INNER JOIN simulation_runs AS s ON r.run_id = s.run_id
        WHERE r.search_text LIKE fold_case(@pattern)
        LIMIT @page_size::int
    )
    UNION
    (
        SELECT s.simulation_id
        FROM indicator_datasets AS d
        INNER JOIN simulation_runs AS s ON d.dataset_id = s.dataset_id
        WHERE d.search_text LIKE fold_case(@pattern)
        LIMIT @page_size::int
    )
) AS ids
ORDER BY ids.simulation_id
LIMIT @page_size::int;

-- name: PatchSimulation :one
-- PatchSimulation changes the fields given and raises the version; summary_metrics is merged by top-level key.
-- Called by PATCH /api/simulations/{id}.
-- index: simulation_runs_pkey. cost: 1 row.
UPDATE simulation_runs
SET
    status = coalesce(sqlc.narg('status')::text, status),
    started_at = coalesce(sqlc.narg('started_at')::timestamptz, started_at),
    completed_at = coalesce(sqlc.narg('completed_at')::timestamptz, completed_at),
    summary_metrics = summary_metrics || coalesce(sqlc.narg('summary_metrics')::jsonb, '{}'),
    name = nullif(coalesce(sqlc.narg('name')::text, name), ''),
    tags = coalesce(sqlc.narg('tags')::jsonb, tags),
    notes = nullif(coalesce(sqlc.narg('notes')::text, notes), ''),
    initial_capital = nullif(coalesce(sqlc.narg('initial_capital')::double precision, initial_capital), 0),
    cost_model = coalesce(sqlc.narg('cost_model')::jsonb, cost_model),
    version = version + 1
WHERE simulation_id = @simulation_id
RETURNING version, created_at;

-- name: SearchSimulations :many
-- SearchSimulations returns the simulations that meet every filter given, newest first, from a cursor on when one is given.
-- Planned and filtered as SearchRuns. Called by GET /api/simulations and /api/tradesim/runs.
-- index: simulation_runs_created_at_idx, walkforward_runs_pkey, indicator_datasets_pkey.
-- cost: page_offset + page_size rows, and those that the filters skip between them.
SELECT s.*
FROM simulation_runs AS s
INNER JOIN walkforward_runs AS r ON s.run_id = r.run_id
INNER JOIN indicator_datasets AS d ON s.dataset_id = d.dataset_id
WHERE
    (
        sqlc.narg('pattern')::text IS NULL
        OR s.search_text LIKE fold_case(sqlc.narg('pattern'))
        OR r.search_text LIKE fold_case(sqlc.narg('pattern'))
        OR d.search_text LIKE fold_case(sqlc.narg('pattern'))
    )
    AND (sqlc.narg('ids')::uuid[] IS NULL OR s.simulation_id = ANY(sqlc.narg('ids')))
    AND (
        coalesce(cardinality(@metric_keys::text[]), 0) = 0
        OR NOT EXISTS (SELECT FROM unmet_simulation_metrics(
            s.simulation_id, @metric_keys::text[], @metric_wanted::boolean[], @metric_lows::float8[], @metric_highs::float8[]
        ) OFFSET 0)
    )
    AND (
        sqlc.narg('after_at')::timestamptz IS NULL
        OR (s.created_at <= sqlc.narg('after_at') AND (s.created_at < sqlc.narg('after_at') OR s.simulation_id > @after_id))
    )
ORDER BY CASE WHEN sqlc.narg('ids')::uuid[] IS NULL THEN s.created_at ELSE s.created_at + interval '0' END DESC, s.simulation_id
LIMIT @page_size::int OFFSET @page_offset::bigint;

-- name: SearchSimulationsByMetric :many
-- SearchSimulationsByMetric returns what SearchSimulations does when nothing but metrics filters and many simulations match:
-- it walks those that have one of the metrics, and not all, of which the newest may have none. With a custom plan (DB.CustomPlans).
-- Called by GET /api/simulations and /api/tradesim/runs. It looks across all simulations.
-- index: simulation_run_metrics_created_at_idx, simulation_runs_pkey.
-- cost: page_offset + page_size rows, and the index entries that the filters skip between them.
SELECT s.*
FROM (
    SELECT l.simulation_id, l.created_at
    FROM unnest(string_to_array(@lead_key::text, E'\x02')) AS k (key)
    CROSS JOIN LATERAL (
        SELECT m.simulation_id, m.created_at
        FROM simulation_run_metrics AS m
        WHERE
            m.key = k.key
            AND m.value + 0 BETWEEN @lead_low::double precision AND @lead_high::double precision
            AND NOT EXISTS (SELECT FROM unmet_simulation_metrics(
                m.simulation_id, @metric_keys::text[], @metric_wanted::boolean[], @metric_lows::float8[], @metric_highs::float8[]
            ) OFFSET 0)
            AND (
                sqlc.narg('after_at')::timestamptz IS NULL
                OR (m.created_at <= sqlc.narg('after_at') AND (m.created_at < sqlc.narg('after_at') OR m.simulation_id > @after_id))
            )
        ORDER BY m.created_at DESC, m.simulation_id
        LIMIT sqlc.arg('page_size')::int + sqlc.arg('page_offset')::bigint
    ) AS l
    ORDER BY l.created_at DESC, l.simulation_id
    LIMIT @page_size::int OFFSET @page_offset::bigint
) AS o
INNER JOIN simulation_runs AS s ON o.simulation_id = s.simulation_id
ORDER BY o.created_at DESC, o.simulation_id
LIMIT @page_size::int;

-- name: SortSimulationsByMetric :many
-- SortSimulationsByMetric returns the simulations that have a metric and meet every filter given, ascending by it, from a
-- cursor on when one is given; those without the metric come after them by SearchSimulations. With a custom plan (DB.CustomPlans); ids are
-- ordered by what has no index, as in SearchSimulations.
-- Called by GET /api/simulations?sort= and /api/tradesim/runs?sort=. It looks across all simulations.
-- index: simulation_run_metrics_value_idx, simulation_runs_pkey.
-- cost: page_offset + page_size rows, and those that the filters skip between them.
SELECT s.*
FROM simulation_run_metrics AS o
INNER JOIN simulation_runs AS s ON o.simulation_id = s.simulation_id
INNER JOIN walkforward_runs AS r ON s.run_id = r.run_id
INNER JOIN indicator_datasets AS d ON s.dataset_id = d.dataset_id
WHERE
    o.key BETWEEN @first_key::text AND @last_key::text
    AND o.key <> sqlc.arg('first_key')::text || E'\x01'
    AND (sqlc.narg('sort_keys')::text[] IS NULL OR o.key = ANY(sqlc.narg('sort_keys')))
    AND o.value BETWEEN @sort_low::double precision AND @sort_high::double precision
    AND (NOT @has_cursor::boolean OR (o.key, o.value, o.simulation_id) > (@after_key::text, @after_value::double precision, @after_id::uuid))
    AND (
        sqlc.narg('pattern')::text IS NULL
        OR s.search_text LIKE fold_case(sqlc.narg('pattern'))
        OR r.search_text LIKE fold_case(sqlc.narg('pattern'))
        OR d.search_text LIKE fold_case(sqlc.narg('pattern'))
    )
    AND (sqlc.narg('ids')::uuid[] IS NULL OR o.simulation_id = ANY(sqlc.narg('ids')))
    AND (
        coalesce(cardinality(@metric_keys::text[]), 0) = 0
        OR NOT EXISTS (SELECT FROM unmet_simulation_metrics(
            o.simulation_id, @metric_keys::text[], @metric_wanted::boolean[], @metric_lows::float8[], @metric_highs::float8[]
        ) OFFSET 0)
    )
ORDER BY CASE WHEN sqlc.narg('ids')::uuid[] IS NULL THEN o.key ELSE o.key || '' END, o.value, o.simulation_id
LIMIT @page_size::int OFFSET @page_offset::bigint;

-- name: SortSimulationsByMetricDesc :many
-- SortSimulationsByMetricDesc returns the simulations that have a metric and meet every filter given, descending by it, from a
-- cursor on when one is given; those without the metric come after them by SearchSimulations. With a custom plan (DB.CustomPlans); ids are
-- ordered by what has no index, as in SearchSimulations.
-- Called by GET /api/simulations?sort= and /api/tradesim/runs?sort=. It looks across all simulations.
-- index: simulation_run_metrics_value_idx, simulation_runs_pkey.
-- cost: page_offset + page_size rows, and those that the filters skip between them.
SELECT s.*
FROM simulation_run_metrics AS o
INNER JOIN simulation_runs AS s ON o.simulation_id = s.simulation_id
INNER JOIN walkforward_runs AS r ON s.run_id = r.run_id
INNER JOIN indicator_datasets AS d ON s.dataset_id = d.dataset_id
WHERE
    o.key BETWEEN @first_key::text AND @last_key::text
    AND o.key <> sqlc.arg('first_key')::text || E'\x01'
    AND (sqlc.narg('sort_keys')::text[] IS NULL OR o.key = ANY(sqlc.narg('sort_keys')))
    AND o.value BETWEEN @sort_low::double precision AND @sort_high::double precision
    AND (NOT @has_cursor::boolean OR (o.key, o.value, o.simulation_id) < (@after_key::text, @after_value::double precision, @after_id::uuid))
    AND (
        sqlc.narg('pattern')::text IS NULL
        OR s.search_text LIKE fold_case(sqlc.narg('pattern'))
        OR r.search_text LIKE fold_case(sqlc.narg('pattern'))
        OR d.search_text LIKE fold_case(sqlc.narg('pattern'))
    )
    AND (sqlc.narg('ids')::uuid[] IS NULL OR o.simulation_id = ANY(sqlc.narg('ids')))
    AND (
        coalesce(cardinality(@metric_keys::text[]), 0) = 0
        OR NOT EXISTS (SELECT FROM unmet_simulation_metrics(
            o.simulation_id, @metric_keys::text[], @metric_wanted::boolean[], @metric_lows::float8[], @metric_highs::float8[]
        ) OFFSET 0)
    )
ORDER BY CASE WHEN sqlc.narg('ids')::uuid[] IS NULL THEN o.key ELSE o.key || '' END DESC, o.value DESC, o.simulation_id DESC
LIMIT @page_size::int OFFSET @page_offset::bigint;

-- name: UpsertSimulation :one
-- UpsertSimulation creates a simulation or replaces all of it but created_at, as UpsertRun does a run. Called by POST and PUT
-- /api/simulations and by the seed.
-- index: simulation_runs_pkey. cost: 1 row.
WITH former AS MATERIALIZED (
    SELECT
        s.dataset_id,
        s.questdb_namespace,
        s.status,
        lost_keys(
            jsonb_build_object(
                'summary_metrics', s.summary_metrics, 'config', s.config, 'started_at', s.started_at, 'completed_at', s.completed_at,
                'serialized_config', s.serialized_config
            ),
            jsonb_build_object(
                'summary_metrics', @summary_metrics::jsonb, 'config', @config::jsonb, 'started_at', sqlc.narg('started_at')::timestamptz,
                'completed_at', sqlc.narg('completed_at')::timestamptz, 'serialized_config', sqlc.narg('serialized_config')::text
            )
        ) AS lost
    FROM simulation_runs AS s
    WHERE s.simulation_id = @simulation_id
    FOR UPDATE
)
INSERT INTO simulation_runs (
    simulation_id, run_id, dataset_id, created_at, input_run_measurement, questdb_namespace, mode, config, summary_metrics,
    status, started_at, completed_at, serialized_config, name, tags, notes, initial_capital, cost_model
)
SELECT
    @simulation_id::uuid, @run_id::uuid, @dataset_id::uuid, coalesce(sqlc.narg('created_at')::timestamptz, now()), @input_run_measurement::text, @questdb_namespace::text, @mode::text,
    @config::jsonb, @summary_metrics::jsonb, @status::text, sqlc.narg('started_at')::timestamptz,
    sqlc.narg('completed_at')::timestamptz, sqlc.narg('serialized_config')::text, nullif(sqlc.narg('name')::text, ''),
    coalesce(sqlc.narg('tags')::jsonb, '[]'), nullif(sqlc.narg('notes')::text, ''),
    nullif(sqlc.narg('initial_capital')::double precision, 0), coalesce(sqlc.narg('cost_model')::jsonb, '{}')
FROM (SELECT count(*) FROM former) AS locked
ON CONFLICT (simulation_id) DO UPDATE SET
    run_id = excluded.run_id,
    dataset_id = excluded.dataset_id,
    input_run_measurement = excluded.input_run_measurement,
    questdb_namespace = excluded.questdb_namespace,
    mode = excluded.mode,
    config = excluded.config,
    summary_metrics = excluded.summary_metrics,
    status = excluded.status,
    started_at = excluded.started_at,
    completed_at = excluded.completed_at,
    serialized_config = excluded.serialized_config,
    name = nullif(coalesce(sqlc.narg('name')::text, simulation_runs.name), ''),
    tags = coalesce(sqlc.narg('tags')::jsonb, simulation_runs.tags),
    notes = nullif(coalesce(sqlc.narg('notes')::text, simulation_runs.notes), ''),
    initial_capital = nullif(coalesce(sqlc.narg('initial_capital')::double precision, simulation_runs.initial_capital), 0),
    cost_model = coalesce(sqlc.narg('cost_model')::jsonb, simulation_runs.cost_model),
    version = simulation_runs.version + 1
RETURNING
    (xmax = 0)::boolean AS created,
    version,
    created_at,
    coalesce((SELECT f.dataset_id FROM former AS f), '00000000-0000-0000-0000-000000000000')::uuid AS former_dataset_id,
    coalesce((SELECT lower(f.questdb_namespace) FROM former AS f), '')::text AS former_table,
    coalesce((SELECT f.status FROM former AS f), '')::text AS former_status,
    coalesce((SELECT array_to_string(f.lost, ', ') FROM former AS f), '')::text AS lost;
