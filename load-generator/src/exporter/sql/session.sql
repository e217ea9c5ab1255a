-- A scrape that was given up leaves no statement behind for longer than $1 milliseconds, and is known by its name.
SELECT set_config('statement_timeout', $1, false), set_config('application_name', 'load-generator exporter', false)
