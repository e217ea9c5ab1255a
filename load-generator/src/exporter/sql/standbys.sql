-- How many standbys receive what this server writes. A base backup's stream and pg_receivewal, which tell nothing of replay, and logical
-- subscribers receive it too: none of them can be promoted.
SELECT count(*) FILTER (WHERE r.state = 'streaming' AND r.replay_lsn IS NOT NULL
                          AND NOT EXISTS (SELECT FROM pg_replication_slots s WHERE s.active_pid = r.pid AND s.slot_type = 'logical'))::float8
           AS streaming_standbys
  FROM pg_stat_replication r
HAVING pg_has_role('pg_read_all_stats', 'USAGE')
