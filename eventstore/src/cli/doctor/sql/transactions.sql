-- Transactions of clients that are older than a minute: vacuum keeps whatever became dead since they began. Those that nobody ends first: many that work, and are
-- older, must not hide them.
SELECT pid, coalesce(application_name, '') AS application, coalesce(state, '') AS state,
       extract(epoch FROM pg_catalog.clock_timestamp() - xact_start)::float8   AS seconds,
       extract(epoch FROM pg_catalog.clock_timestamp() - state_change)::float8 AS in_state_seconds
  FROM pg_stat_activity
 WHERE backend_type = 'client backend' AND pid <> pg_catalog.pg_backend_pid() AND xact_start < pg_catalog.clock_timestamp() - interval '1 minute'
 ORDER BY coalesce(state LIKE 'idle in transaction%' AND state_change < pg_catalog.clock_timestamp() - interval '1 minute', false) DESC, xact_start
 LIMIT 5
