-- Forgets a recomputed projection. See migrations/0009/8_delete_recomputes_v1.sql.
SELECT {schema}.delete_recomputes_v1($1)
