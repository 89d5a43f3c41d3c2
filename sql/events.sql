-- name: DeleteOldEvents :execrows
-- DeleteOldEvents removes numbered events that are older than max_seconds, oldest first, at most page_size. Called once a minute.
-- index: events_pkey. cost: page_size rows.
DELETE FROM events AS e
WHERE e.id IN (SELECT o.id FROM events AS o ORDER BY o.id LIMIT @page_size::int)
    AND e.seq IS NOT NULL AND e.at < now() - make_interval(secs => @max_seconds::double precision);

-- name: GetEventPosition :one
-- GetEventPosition returns the number of the last event, and of the first one that is kept after a number; 0 if there is none.
-- Called by GET /api/events, by the lists, and by the reader of events.
-- index: events_seq_idx. cost: 2 rows.
SELECT
    c.seq,
    coalesce((SELECT e.seq FROM events AS e WHERE e.seq > @after::bigint ORDER BY e.seq LIMIT 1), 0)::bigint AS next
FROM event_counter AS c
WHERE c.single;

-- name: ListEvents :many
-- ListEvents returns events after a number, in order. Called by GET /api/events.
-- index: events_seq_idx. cost: page_size rows.
SELECT e.seq::bigint AS seq, e.topic, e.kind, e.subject_id, e.run_id, e.dataset_id, e.data, e.at
FROM events AS e
WHERE e.seq > @after::bigint
ORDER BY e.seq
LIMIT @page_size::int;

-- name: LockEvents :one
-- LockEvents tells whether this transaction is the one that numbers events. Called before NumberEvents, which has to see what others
-- numbered before.
-- index: none, it reads no table. cost: 1 row.
SELECT pg_try_advisory_xact_lock(7237135628934241399)::boolean AS locked;

-- name: NumberEvents :one
-- NumberEvents gives at most page_size committed events their numbers, and wakes the readers of all instances. Called while LockEvents holds.
-- index: events_unnumbered_idx. cost: page_size rows.
WITH batch AS MATERIALIZED (
    SELECT u.id, row_number() OVER (ORDER BY u.id) AS place
    FROM (SELECT e.id FROM events AS e WHERE e.seq IS NULL ORDER BY e.id LIMIT @page_size::int) AS u
), counted AS (
    UPDATE event_counter AS c
    SET seq = c.seq + (SELECT count(*) FROM batch)
    WHERE c.single AND EXISTS (SELECT FROM batch)
    RETURNING c.seq
), numbered AS (
    UPDATE events AS e
    SET seq = c.seq - (SELECT count(*) FROM batch) + b.place
    FROM batch AS b
    CROSS JOIN counted AS c
    WHERE e.id = b.id AND e.seq IS NULL
    RETURNING e.id
)
SELECT
    count(*)::bigint AS numbered,
    coalesce(CASE WHEN count(*) > 0 THEN pg_notify('foldbook_events', '')::text END, '')::text AS told
FROM numbered;
