-- Tries to take the append lock of the log in schema $1, if there is one. In a statement after the lock of migrations,
-- so that a log which another process has just made is seen. Not waited for: appends would queue behind it.
SELECT coalesce((SELECT pg_try_advisory_xact_lock(1163284301, c.oid::integer)
                 FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
                 WHERE n.nspname = $1 AND c.relname = 'events'), true)
