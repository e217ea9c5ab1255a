-- Puts a schema ($1) first in the search path for this transaction, before the path that the role had before session.sql, as what follows
-- is the application's.
SELECT pg_catalog.set_config('search_path', pg_catalog.concat_ws(', ',
           pg_catalog.quote_ident($1),
           nullif(coalesce(pg_catalog.current_setting('eventstore.search_path', true), pg_catalog.current_setting('search_path')), '')), true)
