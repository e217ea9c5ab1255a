-- Checkpoints since the counters began, of PostgreSQL 17 and later. As checkpoints_15.sql counts them, but restartpoints apart.
SELECT num_timed::bigint           AS timed,
       num_requested::bigint       AS requested,
       restartpoints_done::bigint  AS restartpoints,
       write_time                  AS write_ms,
       buffers_written::bigint     AS buffers
  FROM pg_stat_checkpointer
