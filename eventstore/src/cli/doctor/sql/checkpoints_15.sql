-- Checkpoints of PostgreSQL 15 and 16, those that were due and those that were asked for, by max_wal_size or somebody.
SELECT checkpoints_timed::bigint AS timed, checkpoints_req::bigint AS requested FROM pg_stat_bgwriter
