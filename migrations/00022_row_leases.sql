-- +goose Up
-- Who writes the rows of a place in QuestDB: two writers of one place would undo each other's merges and counts. A lease needs neither
-- an open transaction nor a session, so that it works through PgBouncer while QuestDB is slow.
CREATE TABLE row_leases (
    place text NOT NULL,
    holder uuid NOT NULL,
    expires_at timestamptz NOT NULL,
    CONSTRAINT row_leases_pkey PRIMARY KEY (place)
);
COMMENT ON TABLE row_leases IS 'Who writes rows of which table in QuestDB now.';
COMMENT ON COLUMN row_leases.place IS 'The table, and for a shared one the owner of the rows after a slash.';
COMMENT ON COLUMN row_leases.expires_at IS 'When the lease ends if its holder does not give it back.';

-- +goose Down
DROP TABLE row_leases;
