-- WAL written since the counters began; no row on a standby, which writes none of its own.
SELECT wal_bytes::float8 AS wal_bytes_total,
       wal_records::float8 AS wal_records_total,
       wal_fpi::float8 AS wal_full_page_images_total,
       wal_buffers_full::float8 AS wal_buffers_full_total
  FROM pg_stat_wal
 WHERE NOT pg_is_in_recovery()
