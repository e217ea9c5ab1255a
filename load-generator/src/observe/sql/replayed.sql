-- Up to where a standby has replayed the WAL, in bytes since its beginning. NULL on a server that never was a standby. Reads no table.
SELECT pg_wal_lsn_diff(pg_last_wal_replay_lsn(), '0/0')::bigint AS replayed
