-- name: SetWriteLimits :exec
-- SetWriteLimits gives the transaction the time that a bulk write may take, in place of that of a read.
-- Called by DB.InTx.
-- index: none, it reads no table. cost: nothing.
SELECT
    set_config('statement_timeout', @statement_ms::text, TRUE),
    set_config('lock_timeout', @lock_ms::text, TRUE);
