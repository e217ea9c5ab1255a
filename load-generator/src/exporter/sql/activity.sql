-- Sessions that keep others back. Those that wait for a lock include appends that wait for the log's. No row where our role does not
-- see what others do.
SELECT coalesce(extract(epoch FROM max(clock_timestamp() - xact_start) FILTER (WHERE backend_type = 'client backend')), 0)::float8
           AS longest_transaction_seconds,
       coalesce(max(age(backend_xmin)) FILTER (WHERE backend_type <> 'walsender'), 0)::float8 AS oldest_xmin_age_transactions,
       count(*) FILTER (WHERE wait_event_type = 'Lock')::float8 AS blocked_backends,
       count(*) FILTER (WHERE backend_type = 'autovacuum worker')::float8 AS autovacuum_workers
  FROM pg_stat_activity
 WHERE pid <> pg_backend_pid()
HAVING pg_has_role('pg_read_all_stats', 'USAGE')
