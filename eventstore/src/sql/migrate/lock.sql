-- Tries to take the lock of all migrations of this schema ($1). Tried and not waited for: a queue behind a lock would
-- hold a pooled server connection.
SELECT pg_try_advisory_xact_lock(1163284302, hashtext($1))
