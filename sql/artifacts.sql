-- name: DeleteArtifact :execrows
-- DeleteArtifact removes an artifact. Called by DELETE /api/runs/{id}/artifacts/{name}.
-- index: artifacts_pkey. cost: 1 row.
DELETE FROM artifacts
WHERE run_id = @run_id AND name = @name;

-- name: GetArtifact :one
-- GetArtifact returns an artifact with its bytes. Called by GET /api/runs/{id}/artifacts/{name}.
-- index: artifacts_pkey. cost: 1 row of at most 16 MiB.
SELECT media_type, sha256, data, created_at
FROM artifacts
WHERE run_id = @run_id AND name = @name;

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
    data = excluded.data
RETURNING run_id, name, media_type, size, sha256, created_at;
