-- Says on channel $1 how far the log is ($2). Not flushed: who hears it too late, or never, finds out by looking.
SELECT pg_catalog.set_config('synchronous_commit', 'off', true), pg_catalog.pg_notify($1, $2)
