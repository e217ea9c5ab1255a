-- How far a standby has replayed the WAL. NULL on a primary.
SELECT pg_last_wal_replay_lsn()::text AS replayed
