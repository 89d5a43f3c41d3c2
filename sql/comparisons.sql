-- name: CountComparisons :one
-- CountComparisons counts comparisons beside one, as far as page_size. Called before one is stored.
-- index: none, any rows do. cost: page_size rows.
SELECT count(*)::bigint AS total
FROM (
    SELECT
    FROM comparisons
    WHERE comparison_id <> @comparison_id
    LIMIT @page_size::int
) AS others;

-- name: CreateComparison :one
-- CreateComparison saves a comparison, or changes the stored one of that id. It returns nothing where nothing changes. Called by
-- POST /api/comparisons.
-- index: comparisons_pkey. cost: 1 row.
WITH event AS (
    INSERT INTO events (topic, kind, subject_id)
    SELECT 'annotations', CASE WHEN o.comparison_id IS NULL THEN 'created' ELSE 'changed' END, @comparison_id::uuid
    FROM (SELECT) AS one
    LEFT JOIN comparisons AS o ON o.comparison_id = @comparison_id
    WHERE o.comparison_id IS NULL OR (o.name, o.run_ids, o.settings) IS DISTINCT FROM (@name::text, @run_ids::jsonb, @settings::jsonb)
)
INSERT INTO comparisons AS c (comparison_id, name, run_ids, settings, created_at)
VALUES (@comparison_id::uuid, @name::text, @run_ids::jsonb, @settings::jsonb, coalesce(sqlc.narg('created_at')::timestamptz, now()))
ON CONFLICT (comparison_id) DO UPDATE SET
    name = excluded.name,
    run_ids = excluded.run_ids,
    settings = excluded.settings,
    version = c.version + 1,
    updated_at = now()
WHERE (c.name, c.run_ids, c.settings) IS DISTINCT FROM (excluded.name, excluded.run_ids, excluded.settings)
RETURNING *;

-- name: DeleteComparison :execrows
-- DeleteComparison removes a comparison. Called by DELETE /api/comparisons/{id}.
-- index: comparisons_pkey. cost: 1 row.
WITH gone AS (
    DELETE FROM comparisons AS c
    WHERE c.comparison_id = @comparison_id
    RETURNING c.comparison_id
)
INSERT INTO events (topic, kind, subject_id)
SELECT 'annotations', 'deleted', gone.comparison_id
FROM gone;

-- name: GetComparison :one
-- GetComparison returns one comparison. Called by GET /api/comparisons/{id}.
-- index: comparisons_pkey. cost: 1 row.
SELECT *
FROM comparisons
WHERE comparison_id = @comparison_id;

-- name: ListComparisons :many
-- ListComparisons returns comparisons, newest first. Called by GET /api/comparisons.
-- index: comparisons_created_at_idx. cost: page_size rows.
SELECT *
FROM comparisons
ORDER BY created_at DESC, comparison_id
LIMIT @page_size::int;

-- name: LockComparison :one
-- LockComparison returns what the ETag of a comparison is made of, and keeps others from writing it. Called by its writes.
-- index: comparisons_pkey. cost: 1 row.
SELECT version, created_at
FROM comparisons
WHERE comparison_id = @comparison_id
FOR UPDATE;

-- name: PatchComparison :one
-- PatchComparison changes the fields given. Called by PATCH /api/comparisons/{id}.
-- index: comparisons_pkey. cost: 1 row.
WITH event AS (
    INSERT INTO events (topic, kind, subject_id)
    SELECT 'annotations', 'changed', o.comparison_id
    FROM comparisons AS o
    WHERE o.comparison_id = @comparison_id
)
UPDATE comparisons AS c
SET
    name = coalesce(sqlc.narg('name')::text, c.name),
    run_ids = coalesce(sqlc.narg('run_ids')::jsonb, c.run_ids),
    settings = coalesce(sqlc.narg('settings')::jsonb, c.settings),
    version = c.version + 1,
    updated_at = now()
WHERE c.comparison_id = @comparison_id
RETURNING *;
