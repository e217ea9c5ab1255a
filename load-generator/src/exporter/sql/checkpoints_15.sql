-- Checkpoints since the counters began, of PostgreSQL 15 and 16; on a standby, the restartpoints. One that is skipped, because there
-- is nothing to write, counts too.
SELECT checkpoints_timed::float8 AS checkpoints_timed_total,
       checkpoints_req::float8 AS checkpoints_requested_total,
       checkpoint_write_time / 1000 AS checkpoint_write_seconds_total,
       checkpoint_sync_time / 1000 AS checkpoint_sync_seconds_total,
       buffers_checkpoint::float8 AS checkpoint_buffers_total
  FROM pg_stat_bgwriter
