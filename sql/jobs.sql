-- name: CancelJob :one
-- CancelJob ends a job that has not ended, and returns River's number of it. Called by POST /api/jobs/{id}/cancel.
-- index: jobs_pkey, river_job_pkey. cost: 1 row.
WITH event AS (
    INSERT INTO events (topic, kind, subject_id, data)
    SELECT 'jobs', 'cancelled', j.job_id, '{}'
    FROM jobs AS j
    WHERE j.job_id = @job_id AND j.completed_at IS NULL
)
UPDATE jobs AS j SET
    message = 'cancelled',
    updated_at = now(),
    completed_at = now()
FROM river.river_job AS r
WHERE j.job_id = @job_id AND j.completed_at IS NULL AND r.id = j.river_id AND r.finalized_at IS NULL
RETURNING j.river_id;

-- name: CopyImportParts :copyfrom
-- CopyImportParts stores an upload by COPY. Called by POST /api/questdb/import/async.
-- index: import_parts_pkey. cost: the parts given.
INSERT INTO import_parts (job_id, part, first_row, data) VALUES (@job_id, @part, @first_row, @data);

-- name: CountJobs :one
-- CountJobs counts the jobs that match the filters given. Called for the total of their list.
-- index: none, it reads the whole tables. cost: a scan of the jobs, which are few, here and at River.
SELECT count(*)::bigint AS total
FROM job_details
WHERE
    (sqlc.narg('job_type')::text IS NULL OR job_type = sqlc.narg('job_type'))
    AND (sqlc.narg('status')::text IS NULL OR status = sqlc.narg('status'));

-- name: DeleteImportParts :execrows
-- DeleteImportParts removes what is left of an upload. Called when its job ends.
-- index: import_parts_pkey. cost: the parts of the job.
DELETE FROM import_parts
WHERE job_id = @job_id;

-- name: EndJob :execrows
-- EndJob says what has come of a job that is being worked. Called by the worker.
-- index: jobs_pkey. cost: 1 row.
WITH event AS (
    INSERT INTO events (topic, kind, subject_id, data)
    SELECT 'jobs', CASE WHEN sqlc.narg('error')::text IS NULL THEN 'completed' ELSE 'failed' END, j.job_id, jsonb_build_object('message', @message::text)
    FROM jobs AS j
    WHERE j.job_id = @job_id AND j.completed_at IS NULL
)
UPDATE jobs SET
    message = @message,
    error = sqlc.narg('error'),
    result = sqlc.narg('result'),
    updated_at = now(),
    completed_at = now()
WHERE jobs.job_id = @job_id AND jobs.completed_at IS NULL;

-- name: FailLostJobs :execrows
-- FailLostJobs says of jobs that River has given up why, and removes what is left of their uploads. Called by the workers once
-- a minute.
-- index: jobs_open_idx, river_job_prioritized_fetching_index. cost: the jobs that River has given up.
WITH lost AS (
    UPDATE jobs AS j SET
        message = 'failed',
        error = 'its workers died again and again',
        updated_at = now(),
        completed_at = r.finalized_at
    FROM river.river_job AS r
    WHERE r.id = j.river_id AND r.state = 'discarded' AND j.completed_at IS NULL
    RETURNING j.job_id
), event AS (
    INSERT INTO events (topic, kind, subject_id)
    SELECT 'jobs', 'failed', lost.job_id
    FROM lost
)

DELETE FROM import_parts AS p
USING lost
WHERE p.job_id = lost.job_id;

-- name: FinishImportPart :execrows
-- FinishImportPart notes that the rows of a part are in QuestDB, and removes it. It does nothing when another worker has done
-- that, or when the job has ended. Called by the worker.
-- index: import_parts_pkey, jobs_pkey. cost: 2 rows.
WITH done AS (
    DELETE FROM import_parts
    WHERE import_parts.job_id = @job_id AND import_parts.part = @part
    RETURNING import_parts.job_id
), event AS (
    INSERT INTO events (topic, kind, subject_id, data)
    SELECT 'jobs', 'changed', j.job_id, jsonb_build_object('progress', j.progress + @row_count::bigint, 'total', j.total)
    FROM jobs AS j
    INNER JOIN done ON j.job_id = done.job_id
    WHERE j.completed_at IS NULL
)

UPDATE jobs AS j SET
    progress = j.progress + @row_count::bigint,
    message = @message,
    state = @state,
    updated_at = now()
FROM done
WHERE j.job_id = done.job_id AND j.completed_at IS NULL;

-- name: GetBacklog :one
-- GetBacklog counts the jobs that could be worked now and says for how long the oldest has waited. Called by GET /metrics.
-- index: river_job_prioritized_fetching_index. cost: the jobs that are open.
SELECT
    count(*)::bigint AS waiting,
    coalesce(extract(epoch FROM now() - min(scheduled_at)), 0)::float8 AS waiting_seconds
FROM river.river_job
WHERE state IN ('available', 'retryable') AND scheduled_at <= now();

-- name: GetJob :one
-- GetJob returns one job. Called by GET /api/jobs/{id}.
-- index: jobs_pkey, river_job_pkey. cost: 1 row.
SELECT *
FROM job_details
WHERE job_id = @job_id;

-- name: GetNextImportPart :one
-- GetNextImportPart returns the first part that is left of an upload. Called by the worker.
-- index: import_parts_pkey. cost: 1 row.
SELECT
    part,
    first_row,
    data
FROM import_parts
WHERE job_id = @job_id
ORDER BY part
LIMIT 1;

-- name: InsertJob :one
-- InsertJob stores a new job. Called by POST /api/questdb/import/async.
-- index: jobs_pkey. cost: 1 row.
WITH event AS (
    INSERT INTO events (topic, kind, subject_id, data)
    SELECT 'jobs', 'created', @job_id::uuid, jsonb_build_object('job_type', @job_type::text, 'total', @total::bigint)
    WHERE NOT EXISTS (SELECT FROM jobs AS j WHERE j.job_id = @job_id)
)
INSERT INTO jobs (job_id, job_type, total, message, payload, state, river_id)
VALUES (@job_id, @job_type, @total, @message, @payload, @state, @river_id)
ON CONFLICT (job_id) DO NOTHING
RETURNING *;

-- name: ListJobs :many
-- ListJobs returns jobs, newest first, from a cursor on when one is given. Called by GET /api/jobs.
-- index: jobs_created_at_idx, river_job_pkey. cost: page_offset + page_size rows, and those between them that the filters leave out.
SELECT *
FROM job_details
WHERE
    (sqlc.narg('job_type')::text IS NULL OR job_type = sqlc.narg('job_type'))
    AND (sqlc.narg('status')::text IS NULL OR status = sqlc.narg('status'))
    AND created_at <= @before_at::timestamptz
    AND (created_at < @before_at::timestamptz OR job_id > @after_id::uuid)
ORDER BY created_at DESC, job_id
LIMIT @page_size::int OFFSET @page_offset::bigint;

-- name: NoteJob :execrows
-- NoteJob says what a job that is being worked waits for. Called by the worker.
-- index: jobs_pkey. cost: 1 row.
WITH event AS (
    INSERT INTO events (topic, kind, subject_id, data)
    SELECT 'jobs', 'changed', j.job_id, jsonb_build_object('message', @message::text)
    FROM jobs AS j
    WHERE j.job_id = @job_id AND j.completed_at IS NULL
)
UPDATE jobs SET
    message = @message,
    updated_at = now()
WHERE jobs.job_id = @job_id AND jobs.completed_at IS NULL;

-- name: StartJob :one
-- StartJob returns a job that has not ended, as one that is being worked. Called by the worker.
-- index: jobs_pkey. cost: 1 row.
WITH event AS (
    INSERT INTO events (topic, kind, subject_id, data)
    SELECT 'jobs', 'started', j.job_id, '{}'
    FROM jobs AS j
    WHERE j.job_id = @job_id AND j.completed_at IS NULL
)
UPDATE jobs SET
    updated_at = now(),
    started_at = coalesce(started_at, now())
WHERE jobs.job_id = @job_id AND jobs.completed_at IS NULL
RETURNING *;
