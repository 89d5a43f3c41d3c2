-- name: CreateAccessKey :one
-- CreateAccessKey stores a new key, and returns its row. Called by foldbook key create.
-- index: none, it adds a row. cost: 1 row.
INSERT INTO access_keys (key_id, name, secret_hash, scope, expires_at)
VALUES (@key_id, @name, @secret_hash, @scope, sqlc.narg('expires_at'))
RETURNING key_id, name, scope, created_at, expires_at, revoked_at, last_used_at;

-- name: ListAccessKeys :many
-- ListAccessKeys returns the keys without their hashes, those in use first and the newest first. Called by foldbook key list.
-- index: none, it reads the whole table. cost: a scan of the keys, which are few.
SELECT
    key_id,
    name,
    scope,
    created_at,
    expires_at,
    revoked_at,
    last_used_at
FROM access_keys
ORDER BY revoked_at IS NOT NULL, created_at DESC, key_id
LIMIT @row_limit;

-- name: RevokeAccessKey :one
-- RevokeAccessKey ends a key, at once or later, unless it ends sooner already, and returns its row. Called by foldbook key revoke,
-- and by rotate for a key that has not ended.
-- index: access_keys_pkey. cost: 1 row.
UPDATE access_keys SET
    revoked_at = least(revoked_at, now() + make_interval(secs => @seconds::double precision))
WHERE key_id = @key_id AND (NOT @in_use::boolean OR revoked_at IS NULL OR revoked_at > now())
RETURNING key_id, name, scope, created_at, expires_at, revoked_at, last_used_at;

-- name: UseAccessKey :one
-- UseAccessKey returns a key and notes, at most once a minute, that it is used by somebody who knows the secret. Called for a
-- key that was not looked up within the last seconds.
-- index: access_keys_pkey. cost: 1 row; once a minute it is written.
WITH used AS (
    UPDATE access_keys AS k SET last_used_at = now()
    WHERE
        k.key_id = @key_id AND k.secret_hash = @secret_hash AND (k.revoked_at IS NULL OR k.revoked_at > now())
        AND (k.expires_at IS NULL OR k.expires_at > now())
        AND (k.last_used_at IS NULL OR k.last_used_at < now() - interval '1 minute')
)

SELECT
    a.secret_hash,
    a.scope,
    a.expires_at,
    (a.revoked_at IS NOT NULL AND a.revoked_at <= now())::boolean AS revoked
FROM access_keys AS a
WHERE a.key_id = @key_id;
