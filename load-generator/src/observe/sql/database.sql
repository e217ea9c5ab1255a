-- What this database did since its counters began. Sessions hand their figures in once a second at most, and when they end.
SELECT blks_hit, blks_read, active_time, xact_commit, xact_rollback, deadlocks, temp_bytes, conflicts
  FROM pg_stat_database
 WHERE datname = current_database()
