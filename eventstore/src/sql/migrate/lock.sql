-- Tries to take the lock of all migrations of this schema ($1), and then the append lock if the log exists. Tried
-- and not waited for: a queue behind a lock would hold a pooled server connection, and appends wait behind it.
SELECT pg_try_advisory_xact_lock(1163284302, hashtext($1))
   AND coalesce((SELECT pg_try_advisory_xact_lock(1163284301, c.oid::integer)
                 FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
                 WHERE n.nspname = $1 AND c.relname = 'events'), true)
