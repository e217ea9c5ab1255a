-- The generations of projections, or of the one that $1 names, with how far each is. Indexes: projections_pkey, subscriptions_pkey,
-- events_pkey.
SELECT p.name, p.generation, p.version, p.is_live, p.is_paused, s.position, s.event_id, head.position AS head,
       extract(epoch FROM pg_catalog.clock_timestamp() - (SELECT e.recorded_at FROM {schema}.events e
                                               WHERE e.position = coalesce(s.position, 0) + 1))::float8 AS seconds_behind,
       (s.position - p.resumed_position)::float8 / nullif(extract(epoch FROM s.committed_at - p.resumed_at)::float8, 0::float8) AS per_second,
       s.held_by,
       coalesce(s.holder IS NOT NULL AND {schema}.is_alive_v1(s.beat_at, s.beat_every), false) AS is_alive,
       p.failed_position, p.failure, p.failed_at
FROM {schema}.projections AS p
LEFT JOIN {schema}.subscriptions AS s ON s.name = {schema}.projection_checkpoint_v1(p.name, p.generation)
CROSS JOIN (SELECT coalesce((SELECT e.position FROM {schema}.events e ORDER BY e.position DESC LIMIT 1), 0) AS position) AS head
WHERE $1::text IS NULL OR p.name = $1
ORDER BY p.name, p.generation
