-- Says that a key could not be recomputed, or hands it back. See migrations/0009/5_fail_recompute_v1.sql.
SELECT {schema}.fail_recompute_v1($1, $2, $3, $4 * interval '1 millisecond', $5)
