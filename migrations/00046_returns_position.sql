-- +goose Up
-- How far the daily returns follow the events, so that they are computed before somebody asks for them.
CREATE TABLE returns_position (
    single boolean NOT NULL DEFAULT true,
    seq bigint NOT NULL,
    upto bigint NOT NULL,
    after_id uuid NOT NULL DEFAULT '00000000-0000-0000-0000-000000000000',
    CONSTRAINT returns_position_pkey PRIMARY KEY (single),
    CONSTRAINT returns_position_single_check CHECK (single)
);
COMMENT ON TABLE returns_position IS 'How far the daily returns follow the events.';
COMMENT ON COLUMN returns_position.seq IS 'The last event whose simulations all have their returns.';
COMMENT ON COLUMN returns_position.upto IS 'The last event that is being followed.';
COMMENT ON COLUMN returns_position.after_id IS 'Of the simulations of the events between, those up to here are done.';
INSERT INTO returns_position (seq, upto) SELECT c.seq, c.seq FROM event_counter AS c;

-- +goose Down
DROP TABLE returns_position;
