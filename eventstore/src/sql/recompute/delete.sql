-- Forgets a recomputed projection, piece by piece. See migrations/0009/8_delete_recomputes_v1.sql and 0012/2_delete_recomputes_v1.sql.
SELECT {schema}.delete_recomputes_v1($1, $2)
