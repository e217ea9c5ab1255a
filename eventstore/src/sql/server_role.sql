-- Whether this server is a standby, and whether the log's table of migrations is there. Works on any server.
SELECT pg_is_in_recovery() AS standby,
       EXISTS (SELECT FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
               WHERE n.nspname = $1 AND c.relname = 'migrations') AS migrated
