-- Who holds the lock of the log in schema $1 and does nothing: a session that took it for itself (it stays until the session ends), or one whose transaction is
-- open. The store does neither. Of others' sessions a role without pg_monitor sees no state.
SELECT a.pid, coalesce(a.application_name, '') AS application, a.xact_start IS NOT NULL AS is_in_transaction,
       extract(epoch FROM pg_catalog.clock_timestamp() - a.state_change)::float8 AS seconds
  FROM pg_catalog.pg_locks l
  JOIN pg_catalog.pg_stat_activity a ON a.pid = l.pid
  JOIN pg_catalog.pg_class c ON c.oid = l.objid AND c.relname = 'events'
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace AND n.nspname = $1
 WHERE l.locktype = 'advisory' AND l.classid = 1163284301 AND l.objsubid = 2 AND l.granted
   AND l.database = (SELECT d.oid FROM pg_catalog.pg_database d WHERE d.datname = pg_catalog.current_database())
   AND a.state LIKE 'idle%' AND a.state_change < pg_catalog.clock_timestamp() - interval '1 second'
 ORDER BY a.state_change
 LIMIT 5
