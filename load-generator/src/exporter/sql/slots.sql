-- The WAL that each replication slot holds back, but for those of a session, as a base backup has one. What may still be written before it is lost is not there where there is no limit.
SELECT s.slot_name::text AS slot,
       s.active::int::float8 AS slot_active,
       coalesce(pg_wal_lsn_diff(head.lsn, s.restart_lsn), 0)::float8 AS slot_retained_bytes,
       s.safe_wal_size::float8 AS slot_safe_bytes
  FROM pg_replication_slots s
 CROSS JOIN (SELECT CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_lsn() END AS lsn) head
 WHERE NOT s.temporary
