-- A statement ends after $1 milliseconds, also one of a scrape that was given up, and waits for a lock no longer than $2: those behind it
-- have their turn. The session is known by its name.
SELECT set_config('statement_timeout', $1, false), set_config('lock_timeout', $2, false),
       set_config('application_name', 'load-generator exporter', false)
