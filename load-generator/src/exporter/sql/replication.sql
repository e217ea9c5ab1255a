-- How far each standby is behind, as this server knows from what they tell it. One that has everything is not behind, whatever the
-- last lag was that was measured. Backups and pg_receivewal, which tell nothing of replay, and logical
-- subscribers are no standbys. No row where our role does not see it.
SELECT r.application_name AS standby,
       bool_and(r.state = 'streaming')::int::float8 AS replication_streaming,
       max(greatest(pg_wal_lsn_diff(head.lsn, r.replay_lsn), 0))::float8 AS replication_lag_bytes,
       coalesce(extract(epoch FROM max(CASE WHEN r.replay_lsn < head.lsn THEN r.replay_lag END)), 0)::float8 AS replication_lag_seconds
  FROM pg_stat_replication r
 CROSS JOIN (SELECT CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_lsn() END AS lsn) head
 WHERE pg_has_role('pg_read_all_stats', 'USAGE') AND r.backend_start IS NOT NULL AND r.replay_lsn IS NOT NULL
   AND NOT EXISTS (SELECT FROM pg_replication_slots s WHERE s.active_pid = r.pid AND s.slot_type = 'logical')
 GROUP BY r.application_name
