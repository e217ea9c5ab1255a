#!/bin/bash
# The roles of an event log, each with the password that is in a file of its name. Runs when the primary's data folder is made; run
# again, it brings roles and passwords up to what it says here. `eventstore roles grant` gives them what they may do on a log.
#   SECRETS      folder of the passwords
#   POSTGRES_DB  the database of the log, which is there
# psql finds the server as it always does (PGHOST, PGPORT); the user must be a superuser.
set -euo pipefail

secrets=${SECRETS:-/run/secrets}
query() {
    psql --no-psqlrc --quiet --no-password --set ON_ERROR_STOP=1 --set database="${POSTGRES_DB:-eventstore}" \
        --username="${POSTGRES_USER:-postgres}" --dbname="${POSTGRES_DB:-eventstore}" >/dev/null
}

query <<'SQL'
-- Owns the database and every log in it, and never logs in itself.
SELECT 'CREATE ROLE eventstore_owner NOLOGIN' WHERE to_regrole('eventstore_owner') IS NULL \gexec
ALTER DATABASE :"database" OWNER TO eventstore_owner;
SQL

# The first line of a file, as the programs read it. One that is empty would take the role its password.
read_password() {
    PASSWORD=
    # It fails where the line does not end.
    IFS= read -r PASSWORD <"$secrets/$1" || true
    PASSWORD=${PASSWORD%$'\r'}
    if [ -z "$PASSWORD" ]; then
        echo "first line of $secrets/$1 is empty; expected a password" >&2
        exit 1
    fi
}

for role in "${POSTGRES_USER:-postgres}" eventstore_admin eventstore_writer eventstore_importer eventstore_reader eventstore_projector eventstore_monitor \
    eventstore_replication load_generator; do
    read_password "$role"
    # Through the environment: command lines can be read by everyone.
    PASSWORD=$PASSWORD ROLE=$role query <<'SQL'
\getenv role ROLE
\getenv password PASSWORD
-- A password never stands in the server's log, not even that of a statement that failed.
SET log_statement = 'none';
SET log_min_error_statement = 'panic';
SET log_min_duration_statement = -1;
SET password_encryption = 'scram-sha-256';
SELECT format('CREATE ROLE %I', :'role') WHERE to_regrole(quote_ident(:'role')) IS NULL \gexec
SELECT format('ALTER ROLE %I LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOBYPASSRLS', :'role')
 WHERE :'role' <> current_user \gexec
ALTER ROLE :"role" PASSWORD :'password';
SQL
done

query <<'SQL'
-- Migrates and grants. What it makes is the owner's, so that no log hangs on who happened to make it.
GRANT eventstore_owner TO eventstore_admin;
ALTER ROLE eventstore_admin SET role = 'eventstore_owner';
-- Sees all figures of the server, and no event unless it is given a log to read.
GRANT pg_monitor TO eventstore_monitor;
ALTER ROLE eventstore_replication REPLICATION;
-- Has figures of the server in its report, and makes checkpoints before it measures.
GRANT pg_monitor, pg_checkpoint TO load_generator;
-- Nobody is in the database by being a role of the server.
REVOKE ALL ON DATABASE :"database" FROM PUBLIC;
GRANT CONNECT ON DATABASE :"database" TO eventstore_admin, eventstore_writer, eventstore_importer, eventstore_reader,
    eventstore_projector, eventstore_monitor, load_generator;

-- A log's lock is an advisory one, which anyone in the database could take by hand and hold up all appends. The functions of
-- a log take it with the rights of their owner. Large objects and messages in the WAL could fill the disk.
SELECT format('REVOKE EXECUTE ON FUNCTION %s FROM PUBLIC', oid::regprocedure),
       format('GRANT EXECUTE ON FUNCTION %s TO eventstore_owner', oid::regprocedure)
  FROM pg_proc
 WHERE pronamespace = 'pg_catalog'::regnamespace
   AND (proname ~ '^pg_(try_)?advisory_' OR proname IN ('pg_logical_emit_message', 'lo_creat', 'lo_create', 'lo_from_bytea')) \gexec
-- Measures how long a flush takes with such a message.
SELECT format('GRANT EXECUTE ON FUNCTION %s TO load_generator', oid::regprocedure)
  FROM pg_proc WHERE pronamespace = 'pg_catalog'::regnamespace AND proname = 'pg_logical_emit_message' \gexec
SQL
