-- Locks a generation's checkpoint, puts its schema first in the search path for this transaction ($3 if it is live, else $4), and tells
-- the checkpoint and whether it is paused; no row if it is gone. Behind it comes the path that the role had before session.sql, as what
-- follows is the application's. See migrations/0006/11_lock_projection_v1.sql.
SELECT l.is_paused, l.position,
       pg_catalog.set_config('search_path', pg_catalog.concat_ws(', ',
           pg_catalog.quote_ident(CASE WHEN l.is_live THEN $3 ELSE $4 END),
           nullif(coalesce(pg_catalog.current_setting('eventstore.search_path', true), pg_catalog.current_setting('search_path')), '')), true)
FROM {schema}.lock_projection_v1($1, $2) AS l
