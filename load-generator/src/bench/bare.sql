-- The events of a type ($1) of a book ($2) or a reader ($3), oldest first, by the primary key of keys; and the log's head.
SELECT e.position, e.id, e.event_type, e.payload, e.metadata, e.recorded_at, e.occurred_at,
       (SELECT max(position) FROM events) AS head
FROM (
    SELECT k.position
    FROM (VALUES (value_key_v1('BookID', to_jsonb($2::text))), (value_key_v1('ReaderID', to_jsonb($3::text)))) AS p(key)
    CROSS JOIN LATERAL (SELECT position FROM keys WHERE key = p.key ORDER BY position LIMIT 1000) AS k
    GROUP BY k.position
) AS hit
JOIN events AS e ON e.position = hit.position
WHERE e.event_type = $1 AND (e.payload ->> 'BookID' = $2 OR e.payload ->> 'ReaderID' = $3)
ORDER BY e.position
