-- Says that a key is saved, in the transaction that does so. See migrations/0009/4_settle_recompute_v1.sql.
SELECT {schema}.settle_recompute_v1($1, $2, $3, $4)
