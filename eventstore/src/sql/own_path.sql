-- Gives this transaction the search path that the role had before session.sql: what follows is the application's.
SELECT pg_catalog.set_config('search_path', coalesce(pg_catalog.current_setting('eventstore.search_path', true),
                                                     pg_catalog.current_setting('search_path')), true)
