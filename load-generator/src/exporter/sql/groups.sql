-- The same of consumer groups, and of the groups of process managers; and the events that were parked.
-- Indexes: group_work_parked, events_pkey.
SELECT k.kind, CASE k.kind WHEN 'group' THEN g.name ELSE substr(g.name, 9) END AS name,
       greatest(head.position - g.done, 0)::float8 AS log_consumer_lag_events,
       coalesce(extract(epoch FROM clock_timestamp() - (SELECT e.recorded_at FROM {schema}.events e
                                                        WHERE e.position = g.done + 1)), 0)::float8 AS log_consumer_lag_seconds,
       (SELECT count(*) FROM {schema}.group_work w WHERE w.group_id = g.id AND w.state = 'p')::float8 AS log_parked_events
  FROM {schema}.consumer_groups g
 CROSS JOIN LATERAL (SELECT CASE WHEN starts_with(g.name, 'process/') THEN 'process' ELSE 'group' END AS kind) k
 CROSS JOIN (SELECT coalesce((SELECT e.position FROM {schema}.events e ORDER BY e.position DESC LIMIT 1), 0) AS position) head
 WHERE NOT pg_is_in_recovery()
