-- How far the furthest replica is behind, in seconds and in bytes of WAL, how much WAL there is in all, and how many replicas. NULL if there is no
-- replica, or we may not see it. A replica that has everything is not behind, whatever the last measured lag was. Backups and pg_receivewal,
-- which tell nothing of replay, and logical subscribers are no replicas.
SELECT extract(epoch FROM max(CASE WHEN r.replay_lsn >= head.lsn THEN interval '0' ELSE r.replay_lag END))::float8 AS seconds,
       max(CASE WHEN r.replay_lsn >= head.lsn THEN 0 ELSE pg_wal_lsn_diff(head.lsn, r.replay_lsn) END)::bigint AS bytes,
       pg_wal_lsn_diff(max(head.lsn), '0/0')::bigint AS written,
       count(*) AS standbys
  FROM pg_stat_replication r
 CROSS JOIN (SELECT CASE WHEN NOT pg_is_in_recovery() THEN pg_current_wal_lsn() END AS lsn) head
 WHERE r.replay_lsn IS NOT NULL
   AND NOT EXISTS (SELECT FROM pg_replication_slots s WHERE s.active_pid = r.pid AND s.slot_type = 'logical')
