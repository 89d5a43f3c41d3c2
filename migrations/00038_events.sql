-- +goose Up
-- What changed, for those who listen. A transaction that writes a record adds a row without a number; after its COMMIT a sequencer numbers
-- it, because ids are taken before COMMIT and become visible in another order: who goes by them misses some.
CREATE TABLE events (
    id bigint GENERATED ALWAYS AS IDENTITY,
    seq bigint,
    topic text NOT NULL,
    kind text NOT NULL,
    subject_id uuid NOT NULL,
    run_id uuid,
    dataset_id uuid,
    data jsonb NOT NULL DEFAULT '{}',
    at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT events_pkey PRIMARY KEY (id)
);
COMMENT ON TABLE events IS 'What changed, numbered in the order in which it became visible.';
COMMENT ON COLUMN events.seq IS 'The number of the event, without gaps.';
COMMENT ON COLUMN events.topic IS 'The kind of record: datasets, runs, simulations, jobs or annotations.';
COMMENT ON COLUMN events.kind IS 'What happened: created, changed, deleted; folds of a run, rows of a dataset.';
COMMENT ON COLUMN events.subject_id IS 'The record.';
COMMENT ON COLUMN events.run_id IS 'The run that the record belongs to.';
COMMENT ON COLUMN events.dataset_id IS 'The dataset that the record belongs to.';
COMMENT ON COLUMN events.data IS 'What is worth knowing before the record is read again.';
COMMENT ON COLUMN events.at IS 'When it was written.';
-- Serves ListEvents and GetEventPosition.
CREATE UNIQUE INDEX events_seq_idx ON events (seq) WHERE seq IS NOT NULL;
-- Serves NumberEvents.
CREATE INDEX events_unnumbered_idx ON events (id) WHERE seq IS NULL;
-- Not the largest number of events, of which old ones are removed.
CREATE TABLE event_counter (
    single boolean NOT NULL DEFAULT true,
    seq bigint NOT NULL DEFAULT 0,
    CONSTRAINT event_counter_pkey PRIMARY KEY (single),
    CONSTRAINT event_counter_single_check CHECK (single)
);
COMMENT ON TABLE event_counter IS 'The number of the last event.';
INSERT INTO event_counter DEFAULT VALUES;

-- +goose Down
DROP TABLE event_counter;
DROP TABLE events;
