-- name: CountTrials :one
-- CountTrials counts the configurations that were ever stored in a search: those of runs, or where one had simulations with
-- several configurations, those. Called by GET /api/leaderboard.
-- index: none, the filters decide. cost: the trials of the search, or all of them.
SELECT coalesce(sum(greatest(1, c.simulations)), 0)::bigint AS trials
FROM (
    SELECT count(DISTINCT t.simulation_digest) FILTER (WHERE t.simulation_digest <> '') AS simulations
    FROM search_trials AS t
    WHERE
        (sqlc.narg('search_id')::text IS NULL OR t.search_id = sqlc.narg('search_id'))
        AND (sqlc.narg('dataset_id')::uuid IS NULL OR t.dataset_id = sqlc.narg('dataset_id'))
        AND (sqlc.narg('target_column')::text IS NULL OR t.target_column = sqlc.narg('target_column'))
    GROUP BY t.digest
) AS c;

-- name: ListDeletedReturns :many
-- ListDeletedReturns returns the daily returns of simulations of a search that were deleted, the newest first, once for each configuration
-- that no stored run of the search has. Called by GET /api/leaderboard.
-- index: none, the filters decide. cost: the trials of the search, page_size rows of returns.
SELECT r.simulation_id, r.basis, r.days, r.returns
FROM (
    SELECT DISTINCT ON (t.digest) t.digest, d.simulation_id, d.basis, d.days, d.returns, d.computed_at
    FROM search_trials AS t
    INNER JOIN simulation_returns AS d ON t.run_id = d.run_id
    WHERE
        (sqlc.narg('search_id')::text IS NULL OR t.search_id = sqlc.narg('search_id'))
        AND (sqlc.narg('dataset_id')::uuid IS NULL OR t.dataset_id = sqlc.narg('dataset_id'))
        AND (sqlc.narg('target_column')::text IS NULL OR t.target_column = sqlc.narg('target_column'))
        AND NOT EXISTS (
            SELECT
            FROM search_trials AS l
            INNER JOIN walkforward_runs AS w ON l.run_id = w.run_id
            INNER JOIN simulation_runs AS s ON w.run_id = s.run_id
            WHERE l.digest = t.digest AND l.search_id = t.search_id AND l.dataset_id = t.dataset_id
        )
    ORDER BY t.digest, d.computed_at DESC, d.simulation_id
) AS r
ORDER BY r.computed_at DESC, r.simulation_id
LIMIT @page_size::int;
