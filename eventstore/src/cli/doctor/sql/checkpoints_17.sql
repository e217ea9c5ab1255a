-- Checkpoints of PostgreSQL 17 and later, as checkpoints_15.sql has them.
SELECT num_timed::bigint AS timed, num_requested::bigint AS requested FROM pg_stat_checkpointer
