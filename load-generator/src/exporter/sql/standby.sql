-- How far this standby is behind what it has received, which may be all that it knows of. No row on a primary. A receiver that is 'waiting' has read to the
-- end of a timeline, and is told of no other: nothing comes.
SELECT (EXISTS (SELECT FROM pg_stat_wal_receiver WHERE status = 'streaming'))::int::float8 AS wal_receiver_streaming,
       greatest(pg_wal_lsn_diff(received.lsn, pg_last_wal_replay_lsn()), 0)::float8 AS replay_lag_bytes,
       (CASE WHEN received.lsn <= pg_last_wal_replay_lsn() THEN 0
             ELSE extract(epoch FROM clock_timestamp() - pg_last_xact_replay_timestamp()) END)::float8 AS replay_lag_seconds
  FROM (SELECT coalesce(pg_last_wal_receive_lsn(), pg_last_wal_replay_lsn()) AS lsn) received
 WHERE pg_is_in_recovery() AND pg_has_role('pg_read_all_stats', 'USAGE')
