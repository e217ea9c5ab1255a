#!/bin/bash
# Who may log in, from where, and how: written anew as a whole, as the files that come with a new data folder trust this machine.
# Replicas have it with their base backup.
#   PGDATA       the data folder
#   POSTGRES_DB  the database of the log
#   FOR_TESTS    "yes" where the servers are for tests and measurements only: then every role may log in by TCP, as tests
#                make roles of their own, and the superuser too
# The server must read it anew, or be started again, as it is after the scripts of a new data folder.
set -euo pipefail

# Whoever runs the server may do everything with it anyway. Health checks log in so.
echo "owner $(id -un) postgres" >"$PGDATA/pg_ident.conf"

# samenet: from the container's own network, which is where published ports come from too.
roles=eventstore_admin,eventstore_writer,eventstore_importer,eventstore_reader,eventstore_projector,eventstore_monitor,load_generator
cat >"$PGDATA/pg_hba.conf.new" <<EOT
# Written by 20-hba.sh.
local all postgres peer map=owner
host ${POSTGRES_DB:-eventstore} $roles samenet scram-sha-256
host replication eventstore_replication samenet scram-sha-256
EOT
if [ "${FOR_TESTS:-no}" = yes ]; then
    echo 'host all all samenet scram-sha-256' >>"$PGDATA/pg_hba.conf.new"
fi
mv "$PGDATA/pg_hba.conf.new" "$PGDATA/pg_hba.conf"
