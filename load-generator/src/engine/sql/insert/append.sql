-- One event and its keys: of its type, and of the two fields that identify things, where it has them. A row a key.
WITH written AS (
    INSERT INTO events (id, event_type, payload, metadata) VALUES ($1, $2, $3, $4)
    RETURNING position, event_type, payload
)
INSERT INTO keys (key, position)
SELECT k.key, w.position
FROM written AS w
CROSS JOIN LATERAL (VALUES (hashtextextended(w.event_type, 0)), (hashtextextended(w.payload ->> 'BookID', 1)),
                           (hashtextextended(w.payload ->> 'ReaderID', 2))) AS k(key)
WHERE k.key IS NOT NULL
RETURNING position
