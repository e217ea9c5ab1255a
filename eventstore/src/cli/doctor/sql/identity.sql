-- What a server is, and what our role may see of it: without pg_monitor the sessions of others are hidden, and where settings stand.
SELECT pg_catalog.current_setting('server_version_num')::int                                AS version,
       pg_catalog.pg_is_in_recovery()                                                       AS is_standby,
       current_user::text                                                        AS role,
       pg_catalog.pg_has_role('pg_monitor', 'USAGE')                                        AS monitors,
       extract(epoch FROM pg_catalog.clock_timestamp() - pg_catalog.pg_postmaster_start_time())::float8 AS up_seconds
