-- How archiving goes: since when it fails, if its last try did.
SELECT failed_count::bigint AS failures, coalesce(last_failed_wal, '') AS wal,
       extract(epoch FROM pg_catalog.clock_timestamp() - last_archived_time)::float8 AS archived_seconds,
       last_failed_time > coalesce(last_archived_time, '-infinity') AS is_failing
  FROM pg_stat_archiver
