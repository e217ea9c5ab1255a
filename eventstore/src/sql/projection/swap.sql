-- Has a generation be the live one. See migrations/0006/7_swap_projection_v1.sql. No lock is waited for longer than $4 in this transaction.
SELECT s.verdict, s.old_generation, s.old_position
FROM (SELECT pg_catalog.set_config('lock_timeout', $4, true) AS limited OFFSET 0) AS t
CROSS JOIN LATERAL {schema}.swap_projection_v1($1, CASE WHEN t.limited IS NOT NULL THEN $2 END, $3) AS s
