-- The recomputed projections, or the one that $1 names. Reads all of their keys. Indexes: subscriptions_pkey, recompute_queue_pkey,
-- events_pkey.
SELECT p.name, s.position, s.event_id, head.position AS head, s.held_by,
       coalesce(s.holder IS NOT NULL AND {schema}.is_alive_v1(s.beat_at, s.beat_every), false) AS is_alive,
       q.keys, q.due, q.running, q.failing, coalesce(extract(epoch FROM pg_catalog.clock_timestamp() - q.waits_since), 0)::float8 AS oldest_wait,
       f.key, f.attempts, f.failure
FROM {schema}.subscriptions AS s
CROSS JOIN LATERAL (SELECT pg_catalog.substr(s.name, 11) AS name) AS p
CROSS JOIN (SELECT coalesce((SELECT e.position FROM {schema}.events e ORDER BY e.position DESC LIMIT 1), 0) AS position) AS head
CROSS JOIN LATERAL (
    SELECT count(*) AS keys,
           count(*) FILTER (WHERE r.due_at IS NOT NULL AND (r.leased_until IS NULL OR r.leased_until <= pg_catalog.clock_timestamp())) AS due,
           count(*) FILTER (WHERE r.leased_until > pg_catalog.clock_timestamp()) AS running,
           count(*) FILTER (WHERE r.failure IS NOT NULL) AS failing,
           pg_catalog.min(r.waits_since) AS waits_since
    FROM {schema}.recompute_queue AS r WHERE r.projection = p.name) AS q
LEFT JOIN LATERAL (
    SELECT r.key, r.attempts, r.failure FROM {schema}.recompute_queue AS r
    WHERE r.projection = p.name AND r.failure IS NOT NULL
    ORDER BY r.attempts DESC, r.key LIMIT 1) AS f ON true
WHERE pg_catalog.starts_with(s.name, 'recompute/') AND ($1::text IS NULL OR s.name = 'recompute/' || $1)
ORDER BY p.name
