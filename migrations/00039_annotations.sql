-- +goose Up
-- What people say of runs and keep with them.
CREATE TABLE annotations (
    annotation_id uuid NOT NULL DEFAULT gen_random_uuid(),
    run_id uuid NOT NULL,
    fold_number integer,
    body text NOT NULL,
    author text,
    version bigint NOT NULL DEFAULT 1,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT annotations_pkey PRIMARY KEY (annotation_id),
    CONSTRAINT annotations_run_id_fkey FOREIGN KEY (run_id) REFERENCES walkforward_runs (run_id) ON DELETE CASCADE,
    CONSTRAINT annotations_fold_number_check CHECK (fold_number >= 0)
);
COMMENT ON TABLE annotations IS 'A note on a fold of a run, or on the run.';
COMMENT ON COLUMN annotations.fold_number IS 'The fold that the note is on; null: the run. A fold that is replaced keeps its notes.';
COMMENT ON COLUMN annotations.body IS 'The note, in Markdown.';
COMMENT ON COLUMN annotations.author IS 'Who wrote it, as the client says.';
-- Serves ListAnnotations.
CREATE INDEX annotations_run_id_idx ON annotations (run_id, created_at, annotation_id);

CREATE TABLE comparisons (
    comparison_id uuid NOT NULL DEFAULT gen_random_uuid(),
    name text NOT NULL,
    run_ids jsonb NOT NULL DEFAULT '[]',
    settings jsonb NOT NULL DEFAULT '{}',
    version bigint NOT NULL DEFAULT 1,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT comparisons_pkey PRIMARY KEY (comparison_id),
    CONSTRAINT comparisons_run_ids_check CHECK (jsonb_typeof(run_ids) = 'array'),
    CONSTRAINT comparisons_settings_check CHECK (jsonb_typeof(settings) = 'object')
);
COMMENT ON TABLE comparisons IS 'A comparison of runs that a person has saved.';
COMMENT ON COLUMN comparisons.run_ids IS 'The runs, in the order in which they are shown; some may be gone.';
COMMENT ON COLUMN comparisons.settings IS 'How they are shown; names are the client''s.';
-- Serves ListComparisons.
CREATE INDEX comparisons_created_at_idx ON comparisons (created_at DESC, comparison_id);

CREATE TABLE artifacts (
    run_id uuid NOT NULL,
    name text NOT NULL,
    media_type text NOT NULL,
    size bigint NOT NULL,
    sha256 text NOT NULL,
    data bytea NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT artifacts_pkey PRIMARY KEY (run_id, name),
    CONSTRAINT artifacts_run_id_fkey FOREIGN KEY (run_id) REFERENCES walkforward_runs (run_id) ON DELETE CASCADE
);
-- What is kept is mostly compressed already.
ALTER TABLE artifacts ALTER COLUMN data SET STORAGE EXTERNAL;
COMMENT ON TABLE artifacts IS 'A file that is kept with a run, such as a plot, a model or a configuration.';
COMMENT ON COLUMN artifacts.size IS 'Its length in bytes.';
COMMENT ON COLUMN artifacts.sha256 IS 'The SHA-256 of its bytes, in hexadecimal digits.';

-- +goose Down
DROP TABLE artifacts;
DROP TABLE comparisons;
DROP TABLE annotations;
