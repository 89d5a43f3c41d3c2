-- name: HoldsRowLease :one
-- HoldsRowLease tells whether a lease is still that of its holder. Called before what was counted under it is noted.
-- index: row_leases_pkey. cost: 1 row, which stays locked until the transaction ends.
SELECT place
FROM row_leases
WHERE place = @place AND holder = @holder AND expires_at > now()
FOR SHARE;

-- name: ReleaseRowLease :execrows
-- ReleaseRowLease gives a lease back. Called when a writer of rows has ended.
-- index: row_leases_pkey. cost: 1 row.
DELETE FROM row_leases
WHERE place = @place AND holder = @holder;

-- name: RenewRowLease :exec
-- RenewRowLease keeps a lease that is still that of its holder. Called every other second while rows are written.
-- index: row_leases_pkey. cost: 1 row.
UPDATE row_leases SET expires_at = now() + make_interval(secs => @seconds::double precision)
WHERE place = @place AND holder = @holder;

-- name: TakeRowLease :execrows
-- TakeRowLease takes the lease of a place, if nobody has it or its time is over; no row is affected while another has it. Called by
-- each writer of rows until it succeeds.
-- index: row_leases_pkey. cost: 1 row.
INSERT INTO row_leases (place, holder, expires_at)
VALUES (@place, @holder, now() + make_interval(secs => @seconds::double precision))
ON CONFLICT (place) DO UPDATE SET holder = excluded.holder, expires_at = excluded.expires_at
WHERE row_leases.expires_at <= now() OR row_leases.holder = excluded.holder;
