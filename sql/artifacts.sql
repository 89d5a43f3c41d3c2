-- name: CountArtifacts :one
-- CountArtifacts counts the artifacts of a run beside one, as far as page_size. Called before one is stored.
-- index: artifacts_pkey. cost: page_size rows.
SELECT count(*)::bigint AS total
FROM (
    SELECT
    FROM artifacts
    WHERE run_id = @run_id AND name <> @name
    LIMIT @page_size::int
) AS others;

-- name: DeleteArtifact :execrows
-- DeleteArtifact removes an artifact. Called by DELETE /api/runs/{id}/artifacts/{name}.
-- index: artifacts_pkey. cost: 1 row.
DELETE FROM artifacts
WHERE run_id = @run_id AND name = @name;

-- name: GetArtifact :one
-- GetArtifact returns an artifact without its bytes. Called by GET /api/runs/{id}/artifacts/{name}.
-- index: artifacts_pkey. cost: 1 row.
SELECT media_type, size, sha256
FROM artifacts
WHERE run_id = @run_id AND name = @name;

-- name: GetArtifactPart :one
-- GetArtifactPart returns the bytes of an artifact from begin, which counts from 1, while it is the one of that digest. Called by GET
-- /api/runs/{id}/artifacts/{name}.
-- index: artifacts_pkey. cost: 1 row of at most part_size bytes: what is not compressed is read from the middle.
SELECT substring(data FROM @begin::int FOR @part_size::int)::bytea AS part
FROM artifacts
WHERE run_id = @run_id AND name = @name AND sha256 = @sha256;

-- name: ListArtifacts :many
-- ListArtifacts returns what artifacts a run has, without their bytes, by name. Called by GET /api/runs/{id}/artifacts.
-- index: artifacts_pkey. cost: page_size rows.
SELECT run_id, name, media_type, size, sha256, created_at
FROM artifacts
WHERE run_id = @run_id
ORDER BY name
LIMIT @page_size::int;

-- name: StoreArtifact :one
-- StoreArtifact stores an artifact, or replaces the one of its name. Called by POST /api/runs/{id}/artifacts/{name}.
-- index: artifacts_pkey. cost: 1 row of at most 16 MiB.
INSERT INTO artifacts (run_id, name, media_type, size, sha256, data)
VALUES (@run_id, @name, @media_type, @size, @sha256, @data)
ON CONFLICT (run_id, name) DO UPDATE SET
    media_type = excluded.media_type,
    size = excluded.size,
    sha256 = excluded.sha256,
    data = excluded.data,
    created_at = CASE WHEN artifacts.sha256 = excluded.sha256 THEN artifacts.created_at ELSE excluded.created_at END
RETURNING run_id, name, media_type, size, sha256, created_at;
