-- Locks a generation's checkpoint, puts its schema first in the search path for this transaction ($3 if it is live, else $4), and tells
-- the checkpoint and whether it is paused; no row if it is gone. See migrations/0006/11_lock_projection_v1.sql.
SELECT l.is_paused, l.position,
       set_config('search_path', concat_ws(', ', quote_ident(CASE WHEN l.is_live THEN $3 ELSE $4 END),
                                           nullif(current_setting('search_path'), '')), true)
FROM {schema}.lock_projection_v1($1, $2) AS l
