-- name: ClaimPlaces :one
-- ClaimPlaces returns a table of a dataset, run or simulation whose removal, or that of rows which the record would take for its own, is
-- still to be done, or else an empty text: then no such removal is stored until the transaction ends. taken is a table of the record
-- that a dataset, or a record of another kind, names too, except for those in free. Called at the end of every POST and PUT of one,
-- which locks nothing after it.
-- index: indicator_datasets_pkey, walkforward_runs_pkey, simulation_runs_pkey, walkforward_runs_table_idx, simulation_runs_table_idx.
-- cost: the record, one other, the datasets, of which there are few, and the jobs that are open.
WITH own AS MATERIALIZED (
    SELECT
        p.table_name,
        p.owner
    FROM series_places AS p
    WHERE (p.kind <= 1 AND p.dataset_id = @id) OR (p.kind = 2 AND p.run_id = @id) OR (p.kind = 3 AND p.simulation_id = @id)
)
SELECT
    coalesce((SELECT claim_tables(array_agg(own.table_name), array_agg(own.owner)) FROM own), '')::text AS removing,
    coalesce(o.table_name, '')::text AS taken,
    coalesce(o.kind, 0)::int AS taken_kind,
    coalesce(o.name, '')::text AS taken_by
FROM (SELECT count(*) FROM own) AS one
LEFT JOIN LATERAL (
    SELECT
        p.table_name,
        p.kind,
        coalesce(p.simulation_id::text, p.run_id::text, p.owner) AS name
    FROM series_places AS p
    WHERE
        p.table_name = ANY(ARRAY(SELECT own.table_name FROM own WHERE own.table_name <> ALL(@free::text[])))
        AND CASE WHEN p.kind <= 1 THEN p.dataset_id <> @id::uuid ELSE p.kind <> @kind::int END
    LIMIT 1
) AS o ON true;

-- name: ClaimTable :one
-- ClaimTable does the same for a table without a record. Called by imports.
-- index: none, claim_tables reads the open jobs by their states. cost: the jobs that are open.
SELECT coalesce(claim_tables(ARRAY[@table_name::text], '{}'), '')::text AS removing;

-- name: CountRemovals :one
-- CountRemovals counts the removals that are still to be done. Called by GET /api/health and foldbook doctor.
-- index: any of river_job. cost: the jobs that are open.
SELECT
    count(*)::bigint AS jobs,
    coalesce(sum(jsonb_array_length(args -> 'places')), 0)::bigint AS places,
    coalesce(min(created_at), 'epoch')::timestamptz AS since
FROM river.river_job
WHERE state IN ('available', 'pending', 'retryable', 'running', 'scheduled') AND kind = 'questdb_removal';

-- name: GetPlace :one
-- GetPlace returns the table that a dataset, run or simulation names for rows of a kind, and if that is to be its alone, which other record names
-- it. Called by those who add rows, once they have the lease of the table. The plan of a run or simulation has the primary key of that.
-- index: indicator_datasets_pkey, walkforward_runs_table_idx, simulation_runs_table_idx.
-- cost: the record, another one, and the datasets, of which there are few.
SELECT
    p.table_name,
    coalesce(o.kind, 0)::int AS other_kind,
    coalesce(o.simulation_id::text, o.run_id::text, o.owner, '')::text AS other
FROM series_places AS p
LEFT JOIN LATERAL (
    SELECT
        a.kind,
        a.run_id,
        a.simulation_id,
        a.owner
    FROM series_places AS a
    WHERE
        @alone::boolean AND a.table_name = p.table_name
        AND CASE a.kind WHEN 3 THEN a.simulation_id WHEN 2 THEN a.run_id ELSE a.dataset_id END <> @id::uuid
    LIMIT 1
) AS o ON true
WHERE p.kind = @kind AND ((p.kind <= 1 AND p.dataset_id = @id) OR (p.kind = 2 AND p.run_id = @id) OR (p.kind = 3 AND p.simulation_id = @id))
LIMIT 1;

-- name: ListOtherPlaces :many
-- ListOtherPlaces returns which of the tables some record names, once for each of the owners that it goes by there and else with an
-- empty owner. Called after LockTables when records were deleted, and by foldbook doctor.
-- index: walkforward_runs_table_idx, simulation_runs_table_idx. cost: the records that name these tables.
-- @sqlc-vet-disable list-has-limit
SELECT DISTINCT
    table_name,
    (CASE WHEN owner = ANY(@owners::text[]) THEN owner ELSE '' END)::text AS owner
FROM series_places
WHERE table_name = ANY(@tables::text[])
ORDER BY table_name, owner;

-- name: ListPlaces :many
-- ListPlaces returns where the rows of a dataset, run or simulation and of all below it are. Called by their deletes.
-- index: indicator_datasets_pkey, walkforward_runs_pkey, walkforward_runs_dataset_id_idx, simulation_runs_pkey, simulation_runs_run_id_idx,
-- simulation_runs_dataset_id_idx. cost: the records.
-- @sqlc-vet-disable list-has-limit
SELECT a.kind, a.table_name, a.owner FROM series_places AS a WHERE a.dataset_id = @id
UNION
SELECT b.kind, b.table_name, b.owner FROM series_places AS b WHERE b.run_id = @id
UNION
SELECT c.kind, c.table_name, c.owner FROM series_places AS c WHERE c.simulation_id = @id
ORDER BY table_name, kind, owner;

-- name: LockTables :exec
-- LockTables keeps records that name one of these tables from being stored until the transaction ends, and waits for those that are
-- being stored. Called by the deletes, at the end of the transaction, which locks nothing after it.
-- index: none, it locks names. cost: a lock for each table, of at most 64.
SELECT lock_tables_to_remove(@tables::text[]);
