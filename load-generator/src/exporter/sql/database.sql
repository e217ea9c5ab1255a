-- What the database of the log did since its counters began. Sessions hand their figures in once a second at most.
SELECT xact_commit::float8 AS commits_total,
       xact_rollback::float8 AS rollbacks_total,
       blks_hit::float8 AS blocks_hit_total,
       blks_read::float8 AS blocks_read_total,
       tup_returned::float8 AS rows_scanned_total,
       tup_fetched::float8 AS rows_fetched_total,
       tup_inserted::float8 AS rows_inserted_total,
       tup_updated::float8 AS rows_updated_total,
       tup_deleted::float8 AS rows_deleted_total,
       deadlocks::float8 AS deadlocks_total,
       temp_bytes::float8 AS temporary_files_bytes_total,
       conflicts::float8 AS recovery_conflicts_total,
       active_time / 1000 AS active_seconds_total
  FROM pg_stat_database
 WHERE datname = current_database()
