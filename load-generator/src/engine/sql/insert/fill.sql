-- $1 events of $2 books and $3 readers, as book_event makes them. {keys}: as in append.sql.
WITH written AS (
    INSERT INTO events (id, event_type, payload, metadata)
    SELECT gen_random_uuid(), 'BookCopyLentToReader',
           jsonb_build_object('BookID', lpad(to_hex(n * 7919 % $2::bigint), 8, '0') || '-0000-4000-8000-000000000001',
                              'ReaderID', lpad(to_hex(n * 104729 % $3::bigint), 8, '0') || '-0000-4000-8000-000000000000',
                              'OccurredAt', '2026-11-21T10:00:00.123456789Z'),
           jsonb_build_object('MessageID', gen_random_uuid(), 'CausationID', gen_random_uuid(),
                              'CorrelationID', gen_random_uuid())
    FROM generate_series(0, $1::bigint - 1) AS n
    RETURNING position, event_type, payload
)
INSERT INTO keys (key, position)
SELECT k.key, w.position
FROM written AS w
CROSS JOIN LATERAL (VALUES (hashtextextended(w.event_type, 0)){keys}) AS k(key)
