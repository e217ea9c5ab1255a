-- WAL written since the counters began; no row on a standby, which writes none of its own.
SELECT wal_bytes::bigint    AS bytes,
       wal_records::bigint  AS records,
       wal_fpi::bigint      AS full_pages
  FROM pg_stat_wal
 WHERE NOT pg_is_in_recovery()
