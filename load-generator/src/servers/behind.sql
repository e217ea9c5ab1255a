-- How many bytes of WAL the primary has written beyond the place $1.
SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), $1::text::pg_lsn)::bigint AS bytes
