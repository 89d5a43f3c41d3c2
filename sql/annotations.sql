-- name: CountAnnotations :one
-- CountAnnotations counts the notes of a run beside one, as far as page_size. Called before one is stored.
-- index: annotations_run_id_idx. cost: page_size rows.
SELECT count(*)::bigint AS total
FROM (
    SELECT
    FROM annotations
    WHERE run_id = @run_id AND annotation_id <> @annotation_id
    LIMIT @page_size::int
) AS others;

-- name: CreateAnnotation :one
-- CreateAnnotation stores a note on a run, or changes the stored one of that id, if it is of the same run. It returns nothing where
-- nothing changes. Called by POST /api/runs/{id}/annotations.
-- index: walkforward_runs_pkey, annotations_pkey. cost: 1 row.
WITH event AS (
    INSERT INTO events (topic, kind, subject_id, run_id, dataset_id)
    SELECT
        'annotations', CASE WHEN o.annotation_id IS NULL THEN 'created' ELSE 'changed' END, @annotation_id::uuid, r.run_id, r.dataset_id
    FROM walkforward_runs AS r
    LEFT JOIN annotations AS o ON o.annotation_id = @annotation_id
    WHERE
        r.run_id = @run_id
        AND (
            o.annotation_id IS NULL
            OR o.run_id = r.run_id
            AND (o.fold_number, o.body, o.author) IS DISTINCT FROM (sqlc.narg('fold_number')::int, @body::text, sqlc.narg('author')::text)
        )
)
INSERT INTO annotations AS a (annotation_id, run_id, fold_number, body, author, created_at)
VALUES (
    @annotation_id::uuid, @run_id, sqlc.narg('fold_number')::int, @body::text, sqlc.narg('author')::text,
    coalesce(sqlc.narg('created_at')::timestamptz, now())
)
ON CONFLICT (annotation_id) DO UPDATE SET
    fold_number = excluded.fold_number,
    body = excluded.body,
    author = excluded.author,
    version = a.version + 1,
    updated_at = now()
WHERE a.run_id = excluded.run_id AND (a.fold_number, a.body, a.author) IS DISTINCT FROM (excluded.fold_number, excluded.body, excluded.author)
RETURNING *;

-- name: DeleteAnnotation :execrows
-- DeleteAnnotation removes a note. Called by DELETE /api/annotations/{id}.
-- index: annotations_pkey. cost: 1 row.
WITH gone AS (
    DELETE FROM annotations AS a
    WHERE a.annotation_id = @annotation_id
    RETURNING a.annotation_id, a.run_id
)
INSERT INTO events (topic, kind, subject_id, run_id, dataset_id)
SELECT 'annotations', 'deleted', gone.annotation_id, gone.run_id, r.dataset_id
FROM gone
INNER JOIN walkforward_runs AS r ON gone.run_id = r.run_id;

-- name: GetAnnotation :one
-- GetAnnotation returns one note. Called by GET /api/annotations/{id}.
-- index: annotations_pkey. cost: 1 row.
SELECT *
FROM annotations
WHERE annotation_id = @annotation_id;

-- name: ListAnnotations :many
-- ListAnnotations returns the notes of a run, or of one of its folds, oldest first. Called by GET /api/runs/{id}/annotations.
-- index: annotations_run_id_idx. cost: page_size rows.
SELECT *
FROM annotations
WHERE run_id = @run_id AND (sqlc.narg('fold_number')::int IS NULL OR fold_number = sqlc.narg('fold_number'))
ORDER BY created_at, annotation_id
LIMIT @page_size::int;

-- name: LockAnnotation :one
-- LockAnnotation returns what the ETag of a note is made of, and keeps others from writing it. Called by its writes.
-- index: annotations_pkey. cost: 1 row.
SELECT version, created_at
FROM annotations
WHERE annotation_id = @annotation_id
FOR UPDATE;

-- name: PatchAnnotation :one
-- PatchAnnotation changes the text or the author of a note. Called by PATCH /api/annotations/{id}.
-- index: annotations_pkey, walkforward_runs_pkey. cost: 1 row.
WITH event AS (
    INSERT INTO events (topic, kind, subject_id, run_id, dataset_id)
    SELECT 'annotations', 'changed', o.annotation_id, r.run_id, r.dataset_id
    FROM annotations AS o
    INNER JOIN walkforward_runs AS r ON o.run_id = r.run_id
    WHERE o.annotation_id = @annotation_id
)
UPDATE annotations AS a
SET
    body = coalesce(sqlc.narg('body')::text, a.body),
    author = nullif(coalesce(sqlc.narg('author')::text, a.author), ''),
    version = a.version + 1,
    updated_at = now()
WHERE a.annotation_id = @annotation_id
RETURNING *;
