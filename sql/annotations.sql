-- name: CreateAnnotation :one
-- CreateAnnotation stores a note on a run. Called by POST /api/runs/{id}/annotations.
-- index: walkforward_runs_pkey. cost: 1 row.
WITH event AS (
    INSERT INTO events (topic, kind, subject_id, run_id, dataset_id)
    SELECT 'annotations', 'created', @annotation_id::uuid, r.run_id, r.dataset_id
    FROM walkforward_runs AS r
    WHERE r.run_id = @run_id
)
INSERT INTO annotations (annotation_id, run_id, fold_number, body, author)
VALUES (@annotation_id::uuid, @run_id, sqlc.narg('fold_number'), @body, sqlc.narg('author'))
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
