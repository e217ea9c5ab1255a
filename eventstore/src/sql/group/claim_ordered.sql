-- Leases events of a group that keeps order. See migrations/0005/10_claim_ordered_v1.sql.
SELECT c.position, c.attempts, c.head, c.id, c.recorded_at, c.occurred_at, c.event_type, c.payload, c.metadata
FROM {schema}.claim_ordered_v1($1, $2, $3, $4, $5 * interval '1 millisecond', $6) AS c
