-- Checkpoints since the counters began, of PostgreSQL 15 and 16. One is counted when it writes its first buffer, or when it is complete if
-- it hurries; also one that is skipped because there is nothing to write. On a standby: restartpoints, and each look, every 15 seconds,
-- whether there can be one.
SELECT checkpoints_timed::bigint   AS timed,
       checkpoints_req::bigint     AS requested,
       NULL::bigint                AS restartpoints,
       checkpoint_write_time       AS write_ms,
       buffers_checkpoint::bigint  AS buffers
  FROM pg_stat_bgwriter
