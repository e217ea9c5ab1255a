-- What this database has had to do, and in how many seconds. Counters begin when they are reset; of those that never were it is only
-- known that they are at least as old as the server's start.
SELECT blks_hit::bigint AS hit, blks_read::bigint AS read, stats_reset IS NOT NULL AS is_dated,
       extract(epoch FROM pg_catalog.clock_timestamp() - coalesce(stats_reset, pg_catalog.pg_postmaster_start_time()))::float8 AS seconds
  FROM pg_stat_database
 WHERE datname = pg_catalog.current_database()
