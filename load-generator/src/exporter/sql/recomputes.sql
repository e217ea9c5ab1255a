-- The keys of recomputed projections that wait, and for how long the first one did. Index: recompute_queue_due.
SELECT r.projection,
       count(*)::float8 AS log_recompute_waiting_keys,
       (count(*) FILTER (WHERE r.failure IS NOT NULL))::float8 AS log_recompute_failing_keys,
       greatest(coalesce(extract(epoch FROM clock_timestamp() - min(r.waits_since)), 0), 0)::float8 AS log_recompute_oldest_wait_seconds
  FROM {schema}.recompute_queue r
 WHERE r.due_at IS NOT NULL AND NOT pg_is_in_recovery()
 GROUP BY r.projection
