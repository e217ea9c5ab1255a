-- What the server is, and what it is set to.
SELECT pg_is_in_recovery()::int::float8 AS in_recovery,
       extract(epoch FROM pg_postmaster_start_time())::float8 AS start_time_seconds,
       current_setting('max_connections')::float8 AS max_connections,
       current_setting('autovacuum_freeze_max_age')::float8 AS freeze_max_age_transactions
