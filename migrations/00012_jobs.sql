-- +goose Up
CREATE TABLE jobs (
    job_id uuid NOT NULL DEFAULT gen_random_uuid(),
    job_type text NOT NULL,
    status text NOT NULL DEFAULT 'PENDING',
    progress bigint NOT NULL DEFAULT 0,
    total bigint NOT NULL DEFAULT 0,
    message text NOT NULL DEFAULT '',
    error text,
    payload jsonb NOT NULL DEFAULT '{}',
    result jsonb,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    started_at timestamptz,
    completed_at timestamptz,
    state jsonb NOT NULL DEFAULT '{}',
    river_id bigint,
    CONSTRAINT jobs_pkey PRIMARY KEY (job_id),
    CONSTRAINT jobs_status_check CHECK (status IN ('PENDING', 'RUNNING', 'COMPLETED', 'FAILED', 'CANCELLED')),
    CONSTRAINT jobs_progress_check CHECK (progress >= 0 AND total >= 0),
    CONSTRAINT jobs_payload_check CHECK (jsonb_typeof(payload) = 'object'),
    CONSTRAINT jobs_state_check CHECK (jsonb_typeof(state) = 'object'),
    CONSTRAINT jobs_completed_at_check CHECK ((completed_at IS NOT NULL) = (status IN ('COMPLETED', 'FAILED', 'CANCELLED')))
);

COMMENT ON TABLE jobs IS 'Work that goes on after its request was answered.';
COMMENT ON COLUMN jobs.job_type IS 'What is done: questdb_import.';
COMMENT ON COLUMN jobs.status IS 'PENDING, RUNNING, then for good one of COMPLETED, FAILED and CANCELLED.';
COMMENT ON COLUMN jobs.progress IS 'Rows that are dealt with.';
COMMENT ON COLUMN jobs.total IS 'Rows that there are.';
COMMENT ON COLUMN jobs.message IS 'What goes on, for people.';
COMMENT ON COLUMN jobs.error IS 'Why the job failed.';
COMMENT ON COLUMN jobs.payload IS 'What was asked for.';
COMMENT ON COLUMN jobs.result IS 'What came of it, once the job is completed.';
COMMENT ON COLUMN jobs.state IS 'What the next worker has to know to go on.';
COMMENT ON COLUMN jobs.river_id IS 'The row of river.river_job that makes a worker take the job up.';

-- Serves ListJobs.
CREATE INDEX jobs_created_at_idx ON jobs (created_at DESC, job_id);
-- Serves FailLostJobs; few jobs are open at a time.
CREATE INDEX jobs_open_idx ON jobs (updated_at) WHERE status IN ('PENDING', 'RUNNING');

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

-- The upload of an import, in parts of about 1 MiB of whole rows: each is a row of moderate size, is read and written
-- by itself, and is removed when its rows are in QuestDB, so that what is left is what is still to be done.
CREATE TABLE import_parts (
    job_id uuid NOT NULL,
    part integer NOT NULL,
    first_row bigint NOT NULL,
    data bytea NOT NULL,
    CONSTRAINT import_parts_pkey PRIMARY KEY (job_id, part),
    CONSTRAINT import_parts_job_id_fkey FOREIGN KEY (job_id) REFERENCES jobs (job_id) ON DELETE CASCADE
);
ALTER TABLE import_parts ALTER COLUMN data SET STORAGE EXTERNAL;

COMMENT ON TABLE import_parts IS 'Rows of an import that are not in QuestDB yet.';
COMMENT ON COLUMN import_parts.first_row IS 'Number of its first row in the upload, from 1.';
COMMENT ON COLUMN import_parts.data IS 'CSV without a header, as zstd.';

-- +goose Down
DROP TABLE import_parts;
DROP TABLE jobs;
DROP FUNCTION jobs_go_forward();
