-- Checkpoints since the counters began, of PostgreSQL 17 and later. As checkpoints_15.sql counts them, restartpoints of a standby
-- included.
SELECT CASE WHEN pg_is_in_recovery() THEN restartpoints_timed ELSE num_timed END::float8 AS checkpoints_timed_total,
       CASE WHEN pg_is_in_recovery() THEN restartpoints_req ELSE num_requested END::float8 AS checkpoints_requested_total,
       write_time / 1000 AS checkpoint_write_seconds_total,
       sync_time / 1000 AS checkpoint_sync_seconds_total,
       buffers_written::float8 AS checkpoint_buffers_total
  FROM pg_stat_checkpointer
