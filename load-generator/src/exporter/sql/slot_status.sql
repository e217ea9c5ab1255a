-- What has become of the WAL that each replication slot needs: 1 for the status that it has, 0 for the others. Those of a
-- session are left out.
SELECT s.slot_name::text AS slot, w.status, coalesce(s.wal_status = w.status, false)::int::float8 AS slot_wal_status
  FROM pg_replication_slots s
 CROSS JOIN (VALUES ('reserved'), ('extended'), ('unreserved'), ('lost')) AS w (status)
 WHERE NOT s.temporary
