-- +goose Up
-- River's states are those of the jobs, in place of a second set of them with a trigger.
DROP TRIGGER jobs_go_forward ON jobs;
DROP FUNCTION jobs_go_forward();

-- River has removed tasks a day after their end, and has called those completed whose jobs failed or were cancelled.
WITH made AS (
    INSERT INTO river.river_job (state, max_attempts, finalized_at, args, kind)
    SELECT 'discarded', 50, now(), jsonb_build_object('job_id', job_id), job_type
    FROM jobs
    WHERE NOT EXISTS (SELECT 1 FROM river.river_job AS r WHERE r.id = jobs.river_id)
    RETURNING id, args
)

UPDATE jobs SET river_id = made.id
FROM made
WHERE jobs.job_id = (made.args ->> 'job_id')::uuid;

UPDATE river.river_job AS r SET
    state = (CASE j.status WHEN 'COMPLETED' THEN 'completed' WHEN 'CANCELLED' THEN 'cancelled' ELSE 'discarded' END)::river.river_job_state,
    finalized_at = coalesce(j.completed_at, now())
FROM jobs AS j
WHERE r.id = j.river_id AND (j.completed_at IS NOT NULL OR r.finalized_at IS NOT NULL);

DROP INDEX jobs_open_idx;
ALTER TABLE jobs
    DROP CONSTRAINT jobs_completed_at_check,
    DROP COLUMN status,
    ALTER COLUMN river_id SET NOT NULL,
    ADD CONSTRAINT jobs_river_id_key UNIQUE (river_id),
    ADD CONSTRAINT jobs_river_id_fkey FOREIGN KEY (river_id) REFERENCES river.river_job (id) ON DELETE CASCADE;
-- Serves FailLostJobs; few jobs are open at a time.
CREATE INDEX jobs_open_idx ON jobs (river_id) WHERE completed_at IS NULL;

COMMENT ON TABLE jobs IS 'What River does not know of its jobs.';
COMMENT ON COLUMN jobs.completed_at IS 'When the worker or a caller ended the job.';
COMMENT ON COLUMN jobs.river_id IS 'The job in river.river_job.';

CREATE VIEW job_details AS
SELECT
    j.job_id,
    j.job_type,
    (CASE
        WHEN r.state = 'discarded' OR j.error IS NOT NULL THEN 'FAILED'
        WHEN r.state = 'cancelled' OR r.metadata ? 'cancel_attempted_at' THEN 'CANCELLED'
        WHEN r.state = 'completed' THEN 'COMPLETED'
        WHEN j.started_at IS NULL THEN 'PENDING'
        ELSE 'RUNNING'
    END)::text AS status,
    j.progress,
    j.total,
    j.message,
    j.error,
    j.payload,
    j.result,
    j.created_at,
    j.updated_at,
    j.started_at,
    coalesce(j.completed_at, r.finalized_at) AS completed_at
FROM jobs AS j
JOIN river.river_job AS r ON r.id = j.river_id;

COMMENT ON VIEW job_details IS 'Work that goes on after its request was answered.';
COMMENT ON COLUMN job_details.job_type IS 'What is done: questdb_import.';
COMMENT ON COLUMN job_details.status IS 'PENDING, RUNNING, then for good one of COMPLETED, FAILED and CANCELLED.';
COMMENT ON COLUMN job_details.progress IS 'Rows that are dealt with.';
COMMENT ON COLUMN job_details.total IS 'Rows that there are.';
COMMENT ON COLUMN job_details.message IS 'What goes on, for people.';
COMMENT ON COLUMN job_details.error IS 'Why the job failed.';
COMMENT ON COLUMN job_details.payload IS 'What was asked for.';
COMMENT ON COLUMN job_details.result IS 'What came of it, once the job is completed.';

-- +goose Down
DROP INDEX jobs_open_idx;
ALTER TABLE jobs
    ADD COLUMN status text NOT NULL DEFAULT 'PENDING',
    DROP CONSTRAINT jobs_river_id_fkey,
    DROP CONSTRAINT jobs_river_id_key,
    ALTER COLUMN river_id DROP NOT NULL;

UPDATE jobs AS j SET
    status = d.status,
    completed_at = CASE WHEN d.status IN ('COMPLETED', 'FAILED', 'CANCELLED') THEN coalesce(d.completed_at, d.updated_at) END
FROM job_details AS d
WHERE d.job_id = j.job_id;

DROP VIEW job_details;
ALTER TABLE jobs
    ADD CONSTRAINT jobs_status_check CHECK (status IN ('PENDING', 'RUNNING', 'COMPLETED', 'FAILED', 'CANCELLED')),
    ADD CONSTRAINT jobs_completed_at_check CHECK ((completed_at IS NOT NULL) = (status IN ('COMPLETED', 'FAILED', 'CANCELLED')));
-- Serves FailLostJobs; few jobs are open at a time.
CREATE INDEX jobs_open_idx ON jobs (updated_at) WHERE status IN ('PENDING', 'RUNNING');
COMMENT ON TABLE jobs IS 'Work that goes on after its request was answered.';
COMMENT ON COLUMN jobs.status IS 'PENDING, RUNNING, then for good one of COMPLETED, FAILED and CANCELLED.';
COMMENT ON COLUMN jobs.completed_at IS NULL;
COMMENT ON COLUMN jobs.river_id IS 'The row of river.river_job that makes a worker take the job up.';

-- +goose StatementBegin
CREATE FUNCTION jobs_go_forward() RETURNS trigger
LANGUAGE plpgsql
AS $$
BEGIN
    IF old.status IN ('COMPLETED', 'FAILED', 'CANCELLED') OR (old.status = 'RUNNING' AND new.status = 'PENDING') THEN
        RAISE EXCEPTION 'job % is % and does not become %', old.job_id, old.status, new.status
            USING ERRCODE = 'check_violation', CONSTRAINT = 'jobs_go_forward', TABLE = 'jobs';
    END IF;
    RETURN new;
END;
$$;
-- +goose StatementEnd
COMMENT ON FUNCTION jobs_go_forward IS 'Keeps final jobs as they are, whoever writes.';

CREATE TRIGGER jobs_go_forward BEFORE UPDATE ON jobs
FOR EACH ROW EXECUTE FUNCTION jobs_go_forward();
