-- name: HoldsRowLease :one
-- HoldsRowLease tells whether a lease is still that of its holder. Called before what was counted under it is noted.
-- index: row_leases_pkey. cost: 1 row, which stays locked until the transaction ends.
SELECT place
FROM row_leases
WHERE place = @place AND holder = @holder AND expires_at > now()
FOR SHARE;

-- name: ReleaseRowLease :execrows
-- ReleaseRowLease gives leases back. Called when a writer of rows, or a removal, has ended.
-- index: row_leases_pkey. cost: a row for each place.
DELETE FROM row_leases
WHERE place = ANY(@places::text[]) AND holder = @holder;

-- name: RenewRowLease :exec
-- RenewRowLease keeps those of the leases that are still their holder's. Called every other second while rows are written or removed.
-- index: row_leases_pkey. cost: a row for each place.
UPDATE row_leases SET expires_at = now() + make_interval(secs => @seconds::double precision)
WHERE place = ANY(@places::text[]) AND holder = @holder;

-- name: TakeRowLease :execrows
-- TakeRowLease takes the lease of a place, if nobody has it or its time is over; no row is affected while another has it. Called by
-- each writer of rows until it succeeds.
-- index: row_leases_pkey. cost: 1 row.
INSERT INTO row_leases (place, holder, expires_at)
VALUES (@place, @holder, now() + make_interval(secs => @seconds::double precision))
ON CONFLICT (place) DO UPDATE SET holder = excluded.holder, expires_at = excluded.expires_at
WHERE row_leases.expires_at <= now() OR row_leases.holder = excluded.holder;
