-- $1 events of $2 books and $3 readers, as book_event makes them.
INSERT INTO events (occurred_at, event_type, payload, metadata)
SELECT now(), 'BookCopyLentToReader',
       jsonb_build_object('BookID', lpad(to_hex(n * 7919 % $2::bigint), 8, '0') || '-0000-4000-8000-000000000001',
                          'ReaderID', lpad(to_hex(n * 104729 % $3::bigint), 8, '0') || '-0000-4000-8000-000000000000',
                          'OccurredAt', '2026-11-21T10:00:00.123456789Z'),
       jsonb_build_object('MessageID', gen_random_uuid(), 'CausationID', gen_random_uuid(),
                          'CorrelationID', gen_random_uuid())
FROM generate_series(0, $1::bigint - 1) AS n
