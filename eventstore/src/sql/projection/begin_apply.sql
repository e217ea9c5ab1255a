-- Locks a generation's checkpoint, puts its schema first in the search path for this transaction ($3 if it is live, else $4), and tells
-- the checkpoint and whether it is paused; no row if it is gone. Behind it comes the path that the role had before session.sql, as what
-- follows is the application's. The lock is waited for no longer than $5; how long the application waits for others is its own affair.
-- See migrations/0006/11_lock_projection_v1.sql.
SELECT l.is_paused, l.position,
       pg_catalog.set_config('search_path', pg_catalog.concat_ws(', ',
           pg_catalog.quote_ident(CASE WHEN l.is_live THEN $3 ELSE $4 END),
           nullif(coalesce(pg_catalog.current_setting('eventstore.search_path', true), pg_catalog.current_setting('search_path')), '')), true),
       pg_catalog.set_config('lock_timeout', t.own, true)
FROM (SELECT pg_catalog.current_setting('lock_timeout') AS own, pg_catalog.set_config('lock_timeout', $5, true) AS limited OFFSET 0) AS t
CROSS JOIN LATERAL {schema}.lock_projection_v1($1, CASE WHEN t.limited IS NOT NULL THEN $2 END) AS l
