-- Who streams from this server as a standby would, and whether commits wait for it. Its state is NULL for a role without pg_monitor.
SELECT coalesce(application_name, '') AS name, state = 'streaming' AS is_streaming, sync_state IN ('sync', 'quorum') AS is_waited_for
  FROM pg_stat_replication
 ORDER BY 1
