-- Deletes a projection. See migrations/0006/10_delete_projection_v1.sql. No lock is waited for longer than $2 in this transaction.
SELECT d.verdict, d.generations
FROM (SELECT pg_catalog.set_config('lock_timeout', $2, true) AS limited OFFSET 0) AS t
CROSS JOIN LATERAL {schema}.delete_projection_v1(CASE WHEN t.limited IS NOT NULL THEN $1 END) AS d
