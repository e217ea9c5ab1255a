-- Leases keys that are due. See migrations/0009/3_claim_recomputes_v1.sql and 0011/1_claim_recomputes_v1.sql.
SELECT c.key, c.wanted, c.wanted_id, c.attempts
FROM {schema}.claim_recomputes_v1($1, $2, $3, $4 * interval '1 millisecond', $5 * interval '1 millisecond') AS c
