-- Whether the tables of a generation are to be made. See migrations/0006/4_make_projection_v1.sql. Its lock is waited for no longer than $3;
-- how long the application waits for others is its own affair.
SELECT m.is_to_make, pg_catalog.set_config('lock_timeout', t.own, true)
FROM (SELECT pg_catalog.current_setting('lock_timeout') AS own, pg_catalog.set_config('lock_timeout', $3, true) AS limited OFFSET 0) AS t
CROSS JOIN LATERAL {schema}.make_projection_v1($1, CASE WHEN t.limited IS NOT NULL THEN $2 END) AS m(is_to_make)
