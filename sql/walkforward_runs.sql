-- name: CountRunChildren :one
-- CountRunChildren counts what goes with a run. Called by DELETE /api/runs/{id}.
-- index: walkforward_folds_pkey, annotations_run_id_idx, artifacts_pkey, simulation_runs_run_id_idx, simulation_trade_buckets_pkey, any of simulation_trades.
-- cost: index scans of all below the run.
SELECT
    (SELECT count(*) FROM walkforward_folds AS f WHERE f.run_id = @run_id)::bigint AS folds,
    (SELECT count(*) FROM annotations AS a WHERE a.run_id = @run_id)::bigint AS annotations,
    (SELECT count(*) FROM artifacts AS a WHERE a.run_id = @run_id)::bigint AS artifacts,
    (SELECT count(*) FROM simulation_runs AS s WHERE s.run_id = @run_id)::bigint AS simulations,
    (SELECT count(*) FROM simulation_trade_buckets AS b INNER JOIN simulation_runs AS s ON b.simulation_id = s.simulation_id WHERE s.run_id = @run_id)::bigint AS buckets,
    (SELECT count(*) FROM simulation_trades AS t INNER JOIN simulation_runs AS s ON t.simulation_id = s.simulation_id WHERE s.run_id = @run_id)::bigint AS trades;

-- name: CountRuns :one
-- CountRuns counts the runs that the lists of runs page through. Called for X-Total-Count when a page is full.
-- index: walkforward_runs_pkey. cost: one pass over the runs.
SELECT count(*)::bigint AS total
FROM walkforward_runs;

-- name: CountRunsByMetrics :one
-- CountRunsByMetrics counts what SearchRuns pages through when nothing but metrics filters, at most as far as max_count: what is
-- in a first range, joined with the others as in CountSearchedRuns. The runs themselves are not read.
-- Called for the totals of its lists. It looks across all runs.
-- index: walkforward_run_metrics_value_idx. cost: the index entries in the ranges.
SELECT count(*)::bigint AS total
FROM (
    SELECT
    FROM runs_in_range(@key::text, @low::float8, @high::float8) AS m (run_id)
    LEFT JOIN runs_in_range((@joined_keys::text[])[1], (@joined_lows::float8[])[1], (@joined_highs::float8[])[1]) AS m1 (run_id)
        ON m.run_id = m1.run_id
    LEFT JOIN runs_in_range((@joined_keys::text[])[2], (@joined_lows::float8[])[2], (@joined_highs::float8[])[2]) AS m2 (run_id)
        ON m.run_id = m2.run_id
    WHERE
        ((@joined_keys::text[])[1] IS NULL OR (m1.run_id IS NOT NULL) = (@joined_wanted::boolean[])[1])
        AND ((@joined_keys::text[])[2] IS NULL OR (m2.run_id IS NOT NULL) = (@joined_wanted::boolean[])[2])
        AND (coalesce(cardinality(@metric_keys::text[]), 0) = 0
            OR NOT EXISTS (SELECT FROM unmet_run_metrics(
                m.run_id, @metric_keys::text[], @metric_wanted::boolean[], @metric_lows::float8[], @metric_highs::float8[]
            )))
    LIMIT @max_count::bigint
) AS matching;

-- name: CountSearchedRuns :one
-- CountSearchedRuns counts what SearchRuns pages through, at most as far as max_count. Up to two ranges of metrics are
-- joined, which the planner makes a join of what is wanted, an anti join of what is not, or nothing where there is no
-- range: testing each row takes ten times as long. The others are tested, and all of them where ids are given, because
-- an inner side of a join would go through the ids again for each row. With a custom plan (DB.CustomPlans).
-- Called for the totals of its lists.
-- index: none, the filters decide. cost: all runs that the filters look at.
SELECT count(*)::bigint AS total
FROM (
    SELECT
    FROM walkforward_runs AS r
    LEFT JOIN runs_in_range((@joined_keys::text[])[1], (@joined_lows::float8[])[1], (@joined_highs::float8[])[1]) AS m1 (run_id)
        ON r.run_id = m1.run_id
    LEFT JOIN runs_in_range((@joined_keys::text[])[2], (@joined_lows::float8[])[2], (@joined_highs::float8[])[2]) AS m2 (run_id)
        ON r.run_id = m2.run_id
    WHERE
        (
            sqlc.narg('pattern')::text IS NULL
            OR r.search_text LIKE fold_case(sqlc.narg('pattern'))
            OR r.dataset_id = ANY(ARRAY(
                SELECT d.dataset_id
                FROM indicator_datasets AS d
                WHERE d.search_text LIKE fold_case(sqlc.narg('pattern'))
            ))
        )
        AND (sqlc.narg('ids')::uuid[] IS NULL OR r.run_id = ANY(sqlc.narg('ids')))
        AND ((@joined_keys::text[])[1] IS NULL OR (m1.run_id IS NOT NULL) = (@joined_wanted::boolean[])[1])
        AND ((@joined_keys::text[])[2] IS NULL OR (m2.run_id IS NOT NULL) = (@joined_wanted::boolean[])[2])
        AND (coalesce(cardinality(@metric_keys::text[]), 0) = 0
            OR NOT EXISTS (SELECT FROM unmet_run_metrics(
                r.run_id, @metric_keys::text[], @metric_wanted::boolean[], @metric_lows::float8[], @metric_highs::float8[]
            )))
    LIMIT @max_count::bigint
) AS matching;

-- name: DeleteRun :execrows
-- DeleteRun removes a run with its folds; its simulations have to be gone. Called by DELETE /api/runs/{id}.
-- index: walkforward_runs_pkey. cost: the run and its folds.
WITH gone AS (
    DELETE FROM walkforward_runs AS r
    WHERE r.run_id = @run_id
    RETURNING r.run_id, r.dataset_id
)
INSERT INTO events (topic, kind, subject_id, run_id, dataset_id)
SELECT 'runs', 'deleted', gone.run_id, gone.run_id, gone.dataset_id
FROM gone;

-- name: FinishRun :one
-- FinishRun ends a write of a run: it brings what a search compares of the run up to date, of which those that did not change are not
-- written, notes its configuration among the trials, and raises the versions of the datasets that it is in and was in. Those are locked
-- in one order, so that two writers cannot wait for each other, and last, because other writers of the dataset wait for them. The event
-- that it adds names the folds of a write that brought some to a stored run.
-- Called by every write of a run and by the seed.
-- index: walkforward_runs_pkey, walkforward_run_metrics_pkey, indicator_datasets_pkey.
-- cost: the metrics of the run.
WITH numbers AS (
    SELECT s.run_id, v.key, v.value, s.created_at
    FROM walkforward_runs AS s
    INNER JOIN indicator_datasets AS d ON s.dataset_id = d.dataset_id
    CROSS JOIN LATERAL search_values(
        ARRAY['summary_metrics', 'hyperparameters', 'walk_config', 'cost_model'],
        ARRAY[s.summary_metrics, s.hyperparameters, s.walk_config, s.cost_model],
        ARRAY['duration_ms', 'fold_count', 'created_at', 'started_at', 'completed_at', 'initial_capital', 'target_horizon_bars'],
        ARRAY[
            s.duration_ms, s.fold_count, extract(EPOCH FROM s.created_at) * 1000, extract(EPOCH FROM s.started_at) * 1000,
            extract(EPOCH FROM s.completed_at) * 1000, s.initial_capital, s.target_horizon_bars
        ]::double precision[],
        ARRAY[
            'status', 'prediction_measurement', 'target_column', 'requested_by', 'dataset_slug', 'symbol', 'name', 'search_id', 'parent_run_id',
            'git_commit'
        ] || array_fill('tags'::text, ARRAY[jsonb_array_length(s.tags)]),
        ARRAY[
            s.status, s.prediction_measurement, s.target_column, s.requested_by, d.questdb_tag, d.symbol, s.name, s.search_id,
            s.parent_run_id::text, s.git_commit
        ] || ARRAY(SELECT jsonb_array_elements_text(s.tags))
    ) AS v (key, value)
    WHERE s.run_id = @run_id
), gone AS (
    DELETE FROM walkforward_run_metrics AS m
    WHERE m.run_id = @run_id AND m.key <> ALL (ARRAY(SELECT n.key FROM numbers AS n))
), written AS (
    INSERT INTO walkforward_run_metrics (run_id, key, value, created_at)
    SELECT n.run_id, n.key, n.value, n.created_at
    FROM numbers AS n
    LEFT JOIN walkforward_run_metrics AS m ON n.run_id = m.run_id AND n.key = m.key
    WHERE m.value IS DISTINCT FROM n.value
    ON CONFLICT (run_id, key) DO UPDATE SET value = excluded.value
), touched AS (
    UPDATE indicator_datasets AS d
    SET version = d.version + 1
    WHERE d.dataset_id IN (
        SELECT l.dataset_id
        FROM indicator_datasets AS l
        WHERE l.dataset_id = ANY(@dataset_ids::uuid[])
        ORDER BY l.dataset_id
        FOR NO KEY UPDATE
    )
), tried AS (
    INSERT INTO search_trials (dataset_id, target_column, search_id, digest, simulation_digest, run_id)
    SELECT
        s.dataset_id, s.target_column, coalesce(s.search_id, ''),
        configuration_digest(s.target_column, s.feature_columns, s.hyperparameters, s.walk_config, s.serialized_config), '', s.run_id
    FROM walkforward_runs AS s
    WHERE s.run_id = @run_id
    ON CONFLICT DO NOTHING
), event AS (
    INSERT INTO events (topic, kind, subject_id, run_id, dataset_id, data)
    SELECT
        'runs',
        CASE WHEN sqlc.narg('fold_numbers')::int[] IS NOT NULL THEN 'folds' WHEN s.version = 1 THEN 'created' ELSE 'changed' END,
        s.run_id, s.run_id, s.dataset_id,
        jsonb_strip_nulls(jsonb_build_object(
            'dataset_slug', d.questdb_tag, 'status', s.status, 'version', s.version, 'fold_count', s.fold_count, 'name', s.name,
            'folds', to_jsonb(sqlc.narg('fold_numbers')::int[])
        ))
    FROM walkforward_runs AS s
    INNER JOIN indicator_datasets AS d ON s.dataset_id = d.dataset_id
    WHERE s.run_id = @run_id
)
SELECT
    d.questdb_tag AS dataset_slug,
    s.fold_count AS folds
FROM walkforward_runs AS s
INNER JOIN indicator_datasets AS d ON s.dataset_id = d.dataset_id
WHERE s.run_id = @run_id;

-- name: GetRun :batchone
-- GetRun returns one run; a batch form, so that it travels with ListFolds. Called by GET /api/walkforward/runs/{id}.
-- index: walkforward_runs_pkey. cost: 1 row.
SELECT
    r.*,
    d.questdb_tag AS dataset_slug
FROM walkforward_runs AS r
INNER JOIN indicator_datasets AS d ON r.dataset_id = d.dataset_id
WHERE r.run_id = @run_id;

-- name: GetRunDestination :one
-- GetRunDestination returns where the predictions of a run go in QuestDB and what marks them there. Called by
-- POST /api/runs/{id}/predictions.
-- index: walkforward_runs_pkey, indicator_datasets_pkey. cost: 1 row.
SELECT
    r.dataset_id,
    r.prediction_measurement,
    r.target_column,
    r.version,
    r.created_at,
    d.questdb_tag AS dataset_slug
FROM walkforward_runs AS r
INNER JOIN indicator_datasets AS d ON r.dataset_id = d.dataset_id
WHERE r.run_id = @run_id;

-- name: GetRunSeries :one
-- GetRunSeries returns where the predictions of a run are in QuestDB, and the name that they may go by in a table that
-- several runs share. Called by the routes that read or write them.
-- index: walkforward_runs_pkey. cost: 1 row.
SELECT
    prediction_measurement,
    coalesce(walk_config ->> 'prediction_measurement', '')::text AS run_name
FROM walkforward_runs
WHERE run_id = @run_id;

-- name: GetRunSortKey :one
-- GetRunSortKey returns where a run is in an order by what it has at a path. Called for the cursor behind a page of a sorted list.
-- index: walkforward_run_metrics_pkey. cost: 1 row.
SELECT m.key, m.value
FROM walkforward_run_metrics AS m
WHERE
    m.run_id = @run_id
    AND m.key BETWEEN @first_key::text AND @last_key::text
    AND m.key <> sqlc.arg('first_key')::text || E'\x01';

-- name: GetRunVersion :one
-- GetRunVersion returns what the ETag of a run is made of. Called for If-None-Match.
-- index: walkforward_runs_pkey, indicator_datasets_pkey. cost: 1 row.
SELECT r.version, r.created_at, d.questdb_tag AS dataset_slug
FROM walkforward_runs AS r
INNER JOIN indicator_datasets AS d ON r.dataset_id = d.dataset_id
WHERE r.run_id = @run_id;

-- name: ListComparedRuns :many
-- ListComparedRuns returns the runs that are asked for, in the order of their ids, each with its newest simulation and the test windows of its folds
-- as [fold_number, test_start_ts_ms, test_end_ts_ms, running sum, metric], where a number that the fold does not have is null; folds of
-- runs with a simulation only when all are wanted. Called by the routes of the statistics. At most as many rows as ids.
-- index: walkforward_runs_pkey, indicator_datasets_pkey, simulation_runs_run_id_idx, walkforward_folds_pkey.
-- cost: the runs, and their folds.
-- @sqlc-vet-disable list-has-limit
SELECT
    r.run_id,
    r.name,
    r.dataset_id,
    d.questdb_tag AS dataset_slug,
    d.granularity,
    r.target_column,
    r.feature_columns,
    r.hyperparameters,
    r.walk_config,
    r.cost_model,
    r.summary_metrics,
    r.search_id,
    r.target_horizon_bars,
    d.bar_interval_ms,
    r.status,
    r.created_at,
    (SELECT count(*) FROM simulation_runs AS n WHERE n.run_id = r.run_id)::bigint AS simulations,
    s.simulation_id,
    coalesce(f.folds::text, '[]')::text AS folds
FROM walkforward_runs AS r
INNER JOIN indicator_datasets AS d ON r.dataset_id = d.dataset_id
LEFT JOIN simulation_runs AS s ON s.simulation_id = (
    SELECT l.simulation_id
    FROM simulation_runs AS l
    WHERE l.run_id = r.run_id
    ORDER BY l.created_at DESC, l.simulation_id
    LIMIT 1
)
LEFT JOIN LATERAL (
    SELECT
        json_agg(json_build_array(
            w.fold_number, w.test_start_ts_ms, w.test_end_ts_ms,
            CASE WHEN jsonb_typeof(m.running) = 'number' THEN m.running END,
            CASE WHEN jsonb_typeof(w.metrics -> @metric::text) = 'number' THEN w.metrics -> @metric::text END
        ) ORDER BY w.fold_number) AS folds
    FROM walkforward_folds AS w
    CROSS JOIN LATERAL (SELECT coalesce(w.metrics -> 'running_sum_dual', w.metrics -> 'running_sum') AS running) AS m
    WHERE w.run_id = r.run_id AND (@all_folds::boolean OR s.simulation_id IS NULL)
) AS f ON TRUE
WHERE r.run_id = ANY(@ids::uuid[])
ORDER BY r.run_id;

-- name: ListFamilyRuns :many
-- ListFamilyRuns returns the ids of the runs of a search, newest first. Called by GET /api/leaderboard.
-- index: none, the filters decide. cost: the runs of the dataset, or all runs for a search_id that names no dataset.
SELECT r.run_id
FROM walkforward_runs AS r
WHERE
    (sqlc.narg('search_id')::text IS NULL OR r.search_id = sqlc.narg('search_id'))
    AND (sqlc.narg('dataset_id')::uuid IS NULL OR r.dataset_id = sqlc.narg('dataset_id'))
    AND (sqlc.narg('target_column')::text IS NULL OR r.target_column = sqlc.narg('target_column'))
ORDER BY r.created_at DESC, r.run_id
LIMIT @page_size::int;

-- name: ListRunMeasurements :many
-- ListRunMeasurements returns where runs have their predictions in QuestDB, in the order of their ids. Called by foldbook doctor.
-- index: walkforward_runs_pkey. cost: page_size rows.
SELECT
    run_id,
    prediction_measurement,
    coalesce(walk_config ->> 'prediction_measurement', '')::text AS run_name
FROM walkforward_runs
WHERE run_id > @after_id
ORDER BY run_id
LIMIT @page_size::int;

-- name: ListRunSearchKeys :many
-- ListRunSearchKeys returns those of some keys that any run has. Called for the warnings of a search that finds nothing.
-- It looks across all runs.
-- index: walkforward_run_metrics_value_idx. cost: an index entry each.
SELECT k.key::text AS key
FROM unnest(@keys::text[]) AS k (key)
WHERE EXISTS (SELECT FROM walkforward_run_metrics AS m WHERE m.key = k.key)
ORDER BY k.key
LIMIT 1000;

-- name: ListRuns :many
-- ListRuns returns runs, newest first. Called by GET /api/walkforward/runs.
-- index: walkforward_runs_created_at_idx. cost: page_offset + page_size rows.
SELECT
    r.*,
    d.questdb_tag AS dataset_slug
FROM walkforward_runs AS r
INNER JOIN indicator_datasets AS d ON r.dataset_id = d.dataset_id
ORDER BY r.created_at DESC, r.run_id
LIMIT @page_size::int OFFSET @page_offset::bigint;

-- name: ListRunsWithFoldGaps :many
-- ListRunsWithFoldGaps returns the runs of one dataset with folds that lack a time and whose rows are among its first so many (one that begins at -1 never gets one).
-- Called after rows were added, page by page: those of a page have no gaps any more when the next is read.
-- index: walkforward_runs_dataset_id_idx, walkforward_folds_pkey. cost: the folds of the dataset's runs.
SELECT r.run_id
FROM walkforward_runs AS r
WHERE
    r.dataset_id = @dataset_id
    AND EXISTS (
        SELECT 1
        FROM walkforward_folds AS f
        WHERE
            f.run_id = r.run_id
            AND greatest(f.train_end_idx, f.test_end_idx) <= @row_count::bigint
            AND least(f.train_start_idx, f.train_end_idx, f.test_start_idx, f.test_end_idx) >= 0
            AND num_nulls(f.train_start_ts_ms, f.train_end_ts_ms, f.test_start_ts_ms, f.test_end_ts_ms) > 0
    )
ORDER BY r.run_id
LIMIT @page_size::int;

-- name: LockRun :one
-- LockRun returns what decides about a write of a run, and keeps others from writing it until the transaction ends.
-- Called by the writes of runs and of what is below them.
-- index: walkforward_runs_pkey. cost: 1 row.
SELECT r.dataset_id, r.status, r.version, r.created_at, d.questdb_tag AS dataset_slug
FROM walkforward_runs AS r
INNER JOIN indicator_datasets AS d ON r.dataset_id = d.dataset_id
WHERE r.run_id = @run_id
FOR UPDATE OF r;

-- name: MatchRunsByMetrics :many
-- MatchRunsByMetrics returns the ids of runs that CountRunsByMetrics counts, at most page_size: fewer than that are all of them. In no
-- order, which would have to be that of all of them. Called before SearchRuns, which is faster on few candidates. It looks across all runs.
-- index: walkforward_run_metrics_value_idx. cost: page_size index entries, or all in the first range when hardly one is in the others.
-- @sqlc-vet-disable many-has-order
SELECT m.run_id::uuid AS run_id
FROM runs_in_range(@key::text, @low::float8, @high::float8) AS m (run_id)
LEFT JOIN runs_in_range((@joined_keys::text[])[1], (@joined_lows::float8[])[1], (@joined_highs::float8[])[1]) AS m1 (run_id)
    ON m.run_id = m1.run_id
LEFT JOIN runs_in_range((@joined_keys::text[])[2], (@joined_lows::float8[])[2], (@joined_highs::float8[])[2]) AS m2 (run_id)
    ON m.run_id = m2.run_id
WHERE
    ((@joined_keys::text[])[1] IS NULL OR (m1.run_id IS NOT NULL) = (@joined_wanted::boolean[])[1])
    AND ((@joined_keys::text[])[2] IS NULL OR (m2.run_id IS NOT NULL) = (@joined_wanted::boolean[])[2])
    AND (coalesce(cardinality(@metric_keys::text[]), 0) = 0
        OR NOT EXISTS (SELECT FROM unmet_run_metrics(
            m.run_id, @metric_keys::text[], @metric_wanted::boolean[], @metric_lows::float8[], @metric_highs::float8[]
        )))
LIMIT @page_size::int;

-- name: MatchRunsByText :many
-- MatchRunsByText returns the ids of runs whose texts, or whose dataset's, match a pattern, at most page_size: fewer than
-- that are all of them. Called before SearchRuns, which is faster on few candidates. It looks across all runs.
-- index: walkforward_runs_search_text_idx, walkforward_runs_dataset_id_idx. cost: the matching rows; where pg_trgm is missing, all of them.
SELECT ids.run_id::uuid AS run_id
FROM (
    (
        SELECT r.run_id
        FROM walkforward_runs AS r
        WHERE r.search_text LIKE fold_case(@pattern)
        LIMIT @page_size::int
    )
    UNION
    (
        SELECT r.run_id
        FROM indicator_datasets AS d
        INNER JOIN walkforward_runs AS r ON d.dataset_id = r.dataset_id
        WHERE d.search_text LIKE fold_case(@pattern)
        LIMIT @page_size::int
    )
) AS ids
ORDER BY ids.run_id
LIMIT @page_size::int;

-- name: PatchRun :one
-- PatchRun changes the fields given and raises the version; summary_metrics is merged by top-level key. An empty text, the nil UUID and 0
-- are none, there as in UpsertRun.
-- Called by PATCH /api/runs/{id} and, with no field, by POST /api/runs/{id}/folds.
-- index: walkforward_runs_pkey. cost: 1 row.
UPDATE walkforward_runs
SET
    status = coalesce(sqlc.narg('status')::text, status),
    started_at = coalesce(sqlc.narg('started_at')::timestamptz, started_at),
    completed_at = coalesce(sqlc.narg('completed_at')::timestamptz, completed_at),
    duration_ms = coalesce(sqlc.narg('duration_ms')::bigint, duration_ms),
    summary_metrics = summary_metrics || coalesce(sqlc.narg('summary_metrics')::jsonb, '{}'),
    name = nullif(coalesce(sqlc.narg('name')::text, name), ''),
    tags = coalesce(sqlc.narg('tags')::jsonb, tags),
    notes = nullif(coalesce(sqlc.narg('notes')::text, notes), ''),
    parent_run_id = nullif(coalesce(sqlc.narg('parent_run_id')::uuid, parent_run_id), '00000000-0000-0000-0000-000000000000'),
    search_id = nullif(coalesce(sqlc.narg('search_id')::text, search_id), ''),
    git_commit = nullif(coalesce(sqlc.narg('git_commit')::text, git_commit), ''),
    initial_capital = nullif(coalesce(sqlc.narg('initial_capital')::double precision, initial_capital), 0),
    target_horizon_bars = nullif(coalesce(sqlc.narg('target_horizon_bars')::bigint, target_horizon_bars), 0),
    cost_model = coalesce(sqlc.narg('cost_model')::jsonb, cost_model),
    version = version + 1
WHERE run_id = @run_id
RETURNING version, created_at;

-- name: SearchRuns :many
-- SearchRuns returns the runs that meet every filter given, newest first, from a cursor on when one is given. It is planned
-- anew for the filters of each call (DB.CustomPlans), so that one that is not given costs nothing. A metric filter is a range
-- of values that one metric is wanted in, or not wanted in. ids narrows the search to candidates of a selective filter.
-- OFFSET 0 keeps the metric filter from becoming an anti join, of which the planner expects one row: it would then sort the
-- whole table for a page, and join it row by row.
-- The sum that ids are ordered by keeps the planner from a walk along the whole list in the hope of finding them soon.
-- Called by GET /api/runs, /api/datasets/{id}/runs and /api/walkforward/runs.
-- index: walkforward_runs_created_at_idx, indicator_datasets_pkey.
-- cost: page_offset + page_size rows, and those that the filters skip between them.
SELECT
    r.*,
    d.questdb_tag AS dataset_slug
FROM walkforward_runs AS r
INNER JOIN indicator_datasets AS d ON r.dataset_id = d.dataset_id
WHERE
    (
        sqlc.narg('pattern')::text IS NULL
        OR r.search_text LIKE fold_case(sqlc.narg('pattern'))
        OR d.search_text LIKE fold_case(sqlc.narg('pattern'))
    )
    AND (sqlc.narg('ids')::uuid[] IS NULL OR r.run_id = ANY(sqlc.narg('ids')))
    AND (
        coalesce(cardinality(@metric_keys::text[]), 0) = 0
        OR NOT EXISTS (SELECT FROM unmet_run_metrics(
            r.run_id, @metric_keys::text[], @metric_wanted::boolean[], @metric_lows::float8[], @metric_highs::float8[]
        ) OFFSET 0)
    )
    AND (
        sqlc.narg('after_at')::timestamptz IS NULL
        OR (r.created_at <= sqlc.narg('after_at') AND (r.created_at < sqlc.narg('after_at') OR r.run_id > @after_id))
    )
ORDER BY CASE WHEN sqlc.narg('ids')::uuid[] IS NULL THEN r.created_at ELSE r.created_at + interval '0' END DESC, r.run_id
LIMIT @page_size::int OFFSET @page_offset::bigint;

-- name: SearchRunsByMetric :many
-- SearchRunsByMetric returns what SearchRuns does when nothing but metrics filters and many runs match: it walks those that have
-- one of the metrics, and not all, of which the newest may have none. With a custom plan (DB.CustomPlans). The sum keeps PostgreSQL from
-- sorting all that matches by the other index.
-- Called by GET /api/runs and the other lists of runs. It looks across all runs.
-- index: walkforward_run_metrics_created_at_idx, walkforward_runs_pkey.
-- cost: page_offset + page_size rows, and the index entries that the filters skip between them.
SELECT
    r.*,
    d.questdb_tag AS dataset_slug
FROM (
    SELECT l.run_id, l.created_at
    FROM unnest(string_to_array(@lead_key::text, E'\x02')) AS k (key)
    CROSS JOIN LATERAL (
        SELECT m.run_id, m.created_at
        FROM walkforward_run_metrics AS m
        WHERE
            m.key = k.key
            AND m.value + 0 BETWEEN @lead_low::double precision AND @lead_high::double precision
            AND NOT EXISTS (SELECT FROM unmet_run_metrics(
                m.run_id, @metric_keys::text[], @metric_wanted::boolean[], @metric_lows::float8[], @metric_highs::float8[]
            ) OFFSET 0)
            AND (
                sqlc.narg('after_at')::timestamptz IS NULL
                OR (m.created_at <= sqlc.narg('after_at') AND (m.created_at < sqlc.narg('after_at') OR m.run_id > @after_id))
            )
        ORDER BY m.created_at DESC, m.run_id
        LIMIT sqlc.arg('page_size')::int + sqlc.arg('page_offset')::bigint
    ) AS l
    ORDER BY l.created_at DESC, l.run_id
    LIMIT @page_size::int OFFSET @page_offset::bigint
) AS o
INNER JOIN walkforward_runs AS r ON o.run_id = r.run_id
INNER JOIN indicator_datasets AS d ON r.dataset_id = d.dataset_id
ORDER BY o.created_at DESC, o.run_id
LIMIT @page_size::int;

-- name: SortRunsByMetric :many
-- SortRunsByMetric returns the runs that have a metric and meet every filter given, ascending by it, from a cursor on when one is given;
-- those without the metric come after them by SearchRuns. With a custom plan (DB.CustomPlans); ids are
-- ordered by what has no index, as in SearchRuns.
-- Called by GET /api/runs?sort= and the other lists of runs. It looks across all runs.
-- index: walkforward_run_metrics_value_idx, walkforward_runs_pkey.
-- cost: page_offset + page_size rows, and those that the filters skip between them.
SELECT
    r.*,
    d.questdb_tag AS dataset_slug
FROM walkforward_run_metrics AS o
INNER JOIN walkforward_runs AS r ON o.run_id = r.run_id
INNER JOIN indicator_datasets AS d ON r.dataset_id = d.dataset_id
WHERE
    o.key BETWEEN @first_key::text AND @last_key::text
    AND o.key <> sqlc.arg('first_key')::text || E'\x01'
    AND (sqlc.narg('sort_keys')::text[] IS NULL OR o.key = ANY(sqlc.narg('sort_keys')))
    AND o.value BETWEEN @sort_low::double precision AND @sort_high::double precision
    AND (NOT @has_cursor::boolean OR (o.key, o.value, o.run_id) > (@after_key::text, @after_value::double precision, @after_id::uuid))
    AND (
        sqlc.narg('pattern')::text IS NULL
        OR r.search_text LIKE fold_case(sqlc.narg('pattern'))
        OR d.search_text LIKE fold_case(sqlc.narg('pattern'))
    )
    AND (sqlc.narg('ids')::uuid[] IS NULL OR o.run_id = ANY(sqlc.narg('ids')))
    AND (
        coalesce(cardinality(@metric_keys::text[]), 0) = 0
        OR NOT EXISTS (SELECT FROM unmet_run_metrics(
            o.run_id, @metric_keys::text[], @metric_wanted::boolean[], @metric_lows::float8[], @metric_highs::float8[]
        ) OFFSET 0)
    )
ORDER BY CASE WHEN sqlc.narg('ids')::uuid[] IS NULL THEN o.key ELSE o.key || '' END, o.value, o.run_id
LIMIT @page_size::int OFFSET @page_offset::bigint;

-- name: SortRunsByMetricDesc :many
-- SortRunsByMetricDesc returns the runs that have a metric and meet every filter given, descending by it, from a cursor on
-- when one is given; those without the metric come after them by SearchRuns. With a custom plan (DB.CustomPlans); ids are
-- ordered by what has no index, as in SearchRuns.
-- Called by GET /api/runs?sort= and the other lists of runs. It looks across all runs.
-- index: walkforward_run_metrics_value_idx, walkforward_runs_pkey.
-- cost: page_offset + page_size rows, and those that the filters skip between them.
SELECT
    r.*,
    d.questdb_tag AS dataset_slug
FROM walkforward_run_metrics AS o
INNER JOIN walkforward_runs AS r ON o.run_id = r.run_id
INNER JOIN indicator_datasets AS d ON r.dataset_id = d.dataset_id
WHERE
    o.key BETWEEN @first_key::text AND @last_key::text
    AND o.key <> sqlc.arg('first_key')::text || E'\x01'
    AND (sqlc.narg('sort_keys')::text[] IS NULL OR o.key = ANY(sqlc.narg('sort_keys')))
    AND o.value BETWEEN @sort_low::double precision AND @sort_high::double precision
    AND (NOT @has_cursor::boolean OR (o.key, o.value, o.run_id) < (@after_key::text, @after_value::double precision, @after_id::uuid))
    AND (
        sqlc.narg('pattern')::text IS NULL
        OR r.search_text LIKE fold_case(sqlc.narg('pattern'))
        OR d.search_text LIKE fold_case(sqlc.narg('pattern'))
    )
    AND (sqlc.narg('ids')::uuid[] IS NULL OR o.run_id = ANY(sqlc.narg('ids')))
    AND (
        coalesce(cardinality(@metric_keys::text[]), 0) = 0
        OR NOT EXISTS (SELECT FROM unmet_run_metrics(
            o.run_id, @metric_keys::text[], @metric_wanted::boolean[], @metric_lows::float8[], @metric_highs::float8[]
        ) OFFSET 0)
    )
ORDER BY CASE WHEN sqlc.narg('ids')::uuid[] IS NULL THEN o.key ELSE o.key || '' END DESC, o.value DESC, o.run_id DESC
LIMIT @page_size::int OFFSET @page_offset::bigint;

-- name: UpsertRun :one
-- UpsertRun creates a run or replaces all of it but created_at and what people call it or searches say of it (name to cost_model), which
-- stays where it is not given: a client that stores the run again and knows nothing of it does not erase it. It keeps others from writing it until the transaction ends.
-- created tells which of both it did, former_dataset_id the dataset that the run was in, or zeros: a run that was there and has those was
-- created by another transaction meanwhile. former_table, former_status and lost tell what it was and what of it the new one does not have.
-- Called by POST and PUT /api/runs and by the seed.
-- index: walkforward_runs_pkey. cost: 1 row.
WITH former AS MATERIALIZED (
    SELECT
        r.dataset_id,
        r.prediction_measurement,
        r.status,
        lost_keys(
            jsonb_build_object(
                'summary_metrics', r.summary_metrics, 'hyperparameters', r.hyperparameters, 'walk_config', r.walk_config,
                'feature_columns', r.feature_columns, 'requested_by', r.requested_by, 'started_at', r.started_at,
                'completed_at', r.completed_at, 'duration_ms', r.duration_ms, 'serialized_config', r.serialized_config
            ),
            jsonb_build_object(
                'summary_metrics', @summary_metrics::jsonb, 'hyperparameters', @hyperparameters::jsonb, 'walk_config', @walk_config::jsonb,
                'feature_columns', @feature_columns::jsonb, 'requested_by', sqlc.narg('requested_by')::text,
                'started_at', sqlc.narg('started_at')::timestamptz, 'completed_at', sqlc.narg('completed_at')::timestamptz,
                'duration_ms', sqlc.narg('duration_ms')::bigint, 'serialized_config', sqlc.narg('serialized_config')::text
            )
        ) AS lost
    FROM walkforward_runs AS r
    WHERE r.run_id = @run_id
    FOR UPDATE
)
INSERT INTO walkforward_runs (
    run_id, dataset_id, created_at, prediction_measurement, target_column, feature_columns, hyperparameters, walk_config,
    summary_metrics, status, requested_by, started_at, completed_at, duration_ms, serialized_config,
    name, tags, notes, parent_run_id, search_id, git_commit, initial_capital, target_horizon_bars, cost_model
)
SELECT
    @run_id::uuid, @dataset_id::uuid, coalesce(sqlc.narg('created_at')::timestamptz, now()), @prediction_measurement::text, @target_column::text, @feature_columns::jsonb,
    @hyperparameters::jsonb, @walk_config::jsonb, @summary_metrics::jsonb, @status::text, sqlc.narg('requested_by')::text,
    sqlc.narg('started_at')::timestamptz, sqlc.narg('completed_at')::timestamptz, sqlc.narg('duration_ms')::bigint,
    sqlc.narg('serialized_config')::text,
    nullif(sqlc.narg('name')::text, ''), coalesce(sqlc.narg('tags')::jsonb, '[]'), nullif(sqlc.narg('notes')::text, ''),
    nullif(sqlc.narg('parent_run_id')::uuid, '00000000-0000-0000-0000-000000000000'), nullif(sqlc.narg('search_id')::text, ''),
    nullif(sqlc.narg('git_commit')::text, ''), nullif(sqlc.narg('initial_capital')::double precision, 0),
    nullif(sqlc.narg('target_horizon_bars')::bigint, 0), coalesce(sqlc.narg('cost_model')::jsonb, '{}')
FROM (SELECT count(*) FROM former) AS locked
ON CONFLICT (run_id) DO UPDATE SET
    dataset_id = excluded.dataset_id,
    prediction_measurement = excluded.prediction_measurement,
    target_column = excluded.target_column,
    feature_columns = excluded.feature_columns,
    hyperparameters = excluded.hyperparameters,
    walk_config = excluded.walk_config,
    summary_metrics = excluded.summary_metrics,
    status = excluded.status,
    requested_by = excluded.requested_by,
    started_at = excluded.started_at,
    completed_at = excluded.completed_at,
    duration_ms = excluded.duration_ms,
    serialized_config = excluded.serialized_config,
    name = nullif(coalesce(sqlc.narg('name')::text, walkforward_runs.name), ''),
    tags = coalesce(sqlc.narg('tags')::jsonb, walkforward_runs.tags),
    notes = nullif(coalesce(sqlc.narg('notes')::text, walkforward_runs.notes), ''),
    parent_run_id = nullif(coalesce(sqlc.narg('parent_run_id')::uuid, walkforward_runs.parent_run_id), '00000000-0000-0000-0000-000000000000'),
    search_id = nullif(coalesce(sqlc.narg('search_id')::text, walkforward_runs.search_id), ''),
    git_commit = nullif(coalesce(sqlc.narg('git_commit')::text, walkforward_runs.git_commit), ''),
    initial_capital = nullif(coalesce(sqlc.narg('initial_capital')::double precision, walkforward_runs.initial_capital), 0),
    target_horizon_bars = nullif(coalesce(sqlc.narg('target_horizon_bars')::bigint, walkforward_runs.target_horizon_bars), 0),
    cost_model = coalesce(sqlc.narg('cost_model')::jsonb, walkforward_runs.cost_model),
    version = walkforward_runs.version + 1
RETURNING
    (xmax = 0)::boolean AS created,
    version,
    created_at,
    coalesce((SELECT f.dataset_id FROM former AS f), '00000000-0000-0000-0000-000000000000')::uuid AS former_dataset_id,
    coalesce((SELECT lower(f.prediction_measurement) FROM former AS f), '')::text AS former_table,
    coalesce((SELECT f.status FROM former AS f), '')::text AS former_status,
    coalesce((SELECT array_to_string(f.lost, ', ') FROM former AS f), '')::text AS lost;
