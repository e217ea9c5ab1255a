-- Until the end of the transaction: a look that has to wait is given up before whoever looks is. And functions are looked for in pg_catalog alone: whoever
-- may create schemas can make one that is named like our role, where PostgreSQL looks too, and we may be a superuser.
SELECT pg_catalog.set_config('lock_timeout', '1s', true), pg_catalog.set_config('statement_timeout', '10s', true),
       pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true)
