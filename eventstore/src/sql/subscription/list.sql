-- The subscriptions, or the one that $1 names: how far each is, and who holds it. Behind in seconds is the age of the first event that
-- is not done with, by the database's clock. Indexes: subscriptions_pkey, events_pkey.
SELECT s.name, s.position, s.event_id, s.committed_at, s.held_by, s.beat_at,
       s.holder IS NOT NULL AND {schema}.is_alive_v1(s.beat_at, s.beat_every) AS is_alive,
       head.position AS head,
       extract(epoch FROM pg_catalog.clock_timestamp() - (SELECT e.recorded_at FROM {schema}.events e WHERE e.position = s.position + 1))::float8
           AS seconds_behind
FROM {schema}.subscriptions AS s
CROSS JOIN (SELECT coalesce((SELECT e.position FROM {schema}.events e ORDER BY e.position DESC LIMIT 1), 0) AS position) AS head
WHERE $1::text IS NULL OR s.name = $1
ORDER BY s.name
