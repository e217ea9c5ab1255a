-- Projections that an event has stopped, and those that somebody has paused. Index: projections_pkey.
SELECT p.name,
       (count(*) FILTER (WHERE p.failed_position IS NOT NULL))::float8 AS log_projection_failed_generations,
       (count(*) FILTER (WHERE p.is_paused))::float8 AS log_projection_paused_generations
  FROM {schema}.projections p
 WHERE NOT pg_is_in_recovery()
 GROUP BY p.name
