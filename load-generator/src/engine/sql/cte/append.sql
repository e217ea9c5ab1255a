-- Inserts if the highest position that matches ($1 types, $2 predicate) is the expected one ($3): no row means conflict.
WITH matching AS (
    SELECT max(e.sequence_number) AS newest
    FROM events e
    WHERE e.event_type = ANY ($1::text[]) AND e.payload @> $2::jsonb
)
INSERT INTO events (occurred_at, event_type, payload, metadata)
SELECT now(), $4::text, $5::jsonb, $6::jsonb
FROM matching AS m
WHERE coalesce(m.newest, 0) = $3::bigint
