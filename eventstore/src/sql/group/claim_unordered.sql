-- Leases events of a group that keeps no order. See migrations/0005/9_claim_unordered_v1.sql.
SELECT c.position, c.attempts, c.head, c.id, c.recorded_at, c.occurred_at, c.event_type, c.payload, c.metadata
FROM {schema}.claim_unordered_v1($1, $2, $3, $4 * interval '1 millisecond', $5) AS c
