-- Up to where the WAL of this server reaches, in bytes since its beginning: what a primary has written, what a standby has replayed.
-- Both are compared; for that they are asked for first.
SELECT pg_is_in_recovery() AS in_recovery,
       current_setting('server_version_num')::int AS version,
       pg_wal_lsn_diff(CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_lsn() END, '0/0')::float8
           AS wal_position
