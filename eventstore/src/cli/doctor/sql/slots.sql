-- Replication slots, and how much WAL each one keeps. What only later versions tell is NULL before: whether a slot is a copy of the
-- primary's and why it was given up (17), and since when nobody uses it (17).
SELECT s.slot_name::text AS name, s.active, coalesce(s.wal_status, '') AS wal_status,
       coalesce(pg_catalog.pg_wal_lsn_diff(head.lsn, s.restart_lsn), 0)::bigint AS kept_bytes,
       s.xmin IS NOT NULL OR s.catalog_xmin IS NOT NULL AS holds_rows,
       coalesce((pg_catalog.to_jsonb(s)->>'synced')::boolean, false) AS is_synced,
       coalesce(pg_catalog.to_jsonb(s)->>'invalidation_reason', '') AS invalidation,
       extract(epoch FROM pg_catalog.clock_timestamp() - (pg_catalog.to_jsonb(s)->>'inactive_since')::timestamptz)::float8 AS unused_seconds
  FROM pg_replication_slots s
 CROSS JOIN (SELECT CASE WHEN pg_catalog.pg_is_in_recovery() THEN pg_catalog.pg_last_wal_replay_lsn() ELSE pg_catalog.pg_current_wal_lsn() END AS lsn) head
 WHERE NOT s.temporary
 ORDER BY 1
