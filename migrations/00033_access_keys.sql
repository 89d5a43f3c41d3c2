-- +goose Up
-- Who may call the service, where AUTH_MODE asks for keys. A key has 256 random bits, so one round of SHA-256 keeps it secret.
CREATE TABLE access_keys (
    key_id text NOT NULL,
    name text NOT NULL DEFAULT '',
    secret_hash text NOT NULL,
    scope text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz,
    revoked_at timestamptz,
    last_used_at timestamptz,
    CONSTRAINT access_keys_pkey PRIMARY KEY (key_id),
    CONSTRAINT access_keys_secret_hash_check CHECK (secret_hash ~ '^[0-9a-f]{64}$'),
    CONSTRAINT access_keys_scope_check CHECK (scope IN ('read', 'write', 'admin', 'metrics'))
);
COMMENT ON TABLE access_keys IS 'Keys of callers; the secrets themselves are stored nowhere.';
COMMENT ON COLUMN access_keys.key_id IS 'The first part of the key, which is no secret and stands in logs.';
COMMENT ON COLUMN access_keys.secret_hash IS 'SHA-256 of the whole key, in hexadecimal digits.';
COMMENT ON COLUMN access_keys.last_used_at IS 'When the key was last used, to the minute.';

-- +goose Down
DROP TABLE access_keys;
