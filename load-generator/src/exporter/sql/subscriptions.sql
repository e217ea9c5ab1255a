-- How far each checkpoint is behind the head: of subscriptions, of generations of projections, and of feeders of recomputed ones. In seconds
-- it is the age of the first event that is not done with, by the database's clock. Indexes: subscriptions_pkey, events_pkey.
SELECT k.kind, CASE k.kind WHEN 'projection' THEN substr(s.name, 12) WHEN 'recompute' THEN substr(s.name, 11) ELSE s.name END AS name,
       greatest(head.position - s.position, 0)::float8 AS log_consumer_lag_events,
       coalesce(extract(epoch FROM clock_timestamp() - (SELECT e.recorded_at FROM {schema}.events e
                                                        WHERE e.position = s.position + 1)), 0)::float8 AS log_consumer_lag_seconds
  FROM {schema}.subscriptions s
 CROSS JOIN LATERAL (SELECT CASE WHEN starts_with(s.name, 'projection/') THEN 'projection'
                                 WHEN starts_with(s.name, 'recompute/') THEN 'recompute' ELSE 'subscription' END AS kind) k
 CROSS JOIN (SELECT coalesce((SELECT e.position FROM {schema}.events e ORDER BY e.position DESC LIMIT 1), 0) AS position) head
 WHERE NOT pg_is_in_recovery()
