-- Leases work of a process. See migrations/0008/2_claim_process_work_v1.sql.
SELECT c.id, c.attempts, c.cause, c.key, c.name, c.payload, c.reference, c.check_every_ms, c.is_late
FROM {schema}.claim_process_work_v1($1, $2, $3, $4, $5 * interval '1 millisecond', $6) AS c
