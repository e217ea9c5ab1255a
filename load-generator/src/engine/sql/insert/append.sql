-- One event and its keys: of its type, and of each path that has a value. A row a key. {keys}: the keys of paths.
WITH written AS (
    INSERT INTO events (id, event_type, payload, metadata) VALUES ($1, $2, $3, $4)
    RETURNING position, event_type, payload
)
INSERT INTO keys (key, position)
SELECT k.key, w.position
FROM written AS w
CROSS JOIN LATERAL (VALUES (hashtextextended(w.event_type, 0)){keys}) AS k(key)
WHERE k.key IS NOT NULL
RETURNING position
