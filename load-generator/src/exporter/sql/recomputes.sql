-- The keys of recomputed projections that wait, and for how long the first one did: of each projection the 100,000 that are due first, as
-- to count a queue of millions takes longer than a scrape may. Index: recompute_queue_due.
WITH RECURSIVE p (projection) AS (
    (SELECT r.projection FROM {schema}.recompute_queue r WHERE r.due_at IS NOT NULL ORDER BY r.projection LIMIT 1)
    UNION ALL
    SELECT (SELECT r.projection FROM {schema}.recompute_queue r
             WHERE r.due_at IS NOT NULL AND r.projection > p.projection ORDER BY r.projection LIMIT 1)
      FROM p WHERE p.projection IS NOT NULL
)
SELECT p.projection,
       w.waiting::float8 AS log_recompute_waiting_keys,
       w.failing::float8 AS log_recompute_failing_keys,
       greatest(coalesce(extract(epoch FROM clock_timestamp() - w.since), 0), 0)::float8 AS log_recompute_oldest_wait_seconds
  FROM p
 CROSS JOIN LATERAL (SELECT count(*) AS waiting, count(*) FILTER (WHERE f.failure IS NOT NULL) AS failing, min(f.waits_since) AS since
                       FROM (SELECT r.failure, r.waits_since FROM {schema}.recompute_queue r
                              WHERE r.projection = p.projection AND r.due_at IS NOT NULL
                              ORDER BY r.due_at LIMIT 100000) f) w
 WHERE p.projection IS NOT NULL AND NOT pg_is_in_recovery()
