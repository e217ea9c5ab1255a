-- Read committed, whatever the server's default is: what is read under the lock must be what was committed before. Until the schema is known to be the
-- owner's alone nothing is looked for but in pg_catalog. A migrator that stops in the middle holds the log's lock no longer than ten seconds.
BEGIN ISOLATION LEVEL READ COMMITTED;
SET LOCAL search_path = pg_catalog, pg_temp;
SET LOCAL idle_in_transaction_session_timeout = '10s'
