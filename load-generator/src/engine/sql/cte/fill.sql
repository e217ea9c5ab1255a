-- $1 events, each of a book of its own and one of 14,000 readers.
INSERT INTO events (occurred_at, event_type, payload, metadata)
SELECT now(), 'BookCopyLentToReader',
       jsonb_build_object('BookID', gen_random_uuid(),
                          'ReaderID', lpad(to_hex(n % 14000), 8, '0') || '-0000-4000-8000-000000000000',
                          'OccurredAt', '2026-11-21T10:00:00.123456789Z'),
       jsonb_build_object('MessageID', gen_random_uuid(), 'CausationID', gen_random_uuid(),
                          'CorrelationID', gen_random_uuid())
FROM generate_series(0, $1::bigint - 1) AS n
