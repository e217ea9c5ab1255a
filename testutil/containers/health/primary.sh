#!/bin/bash
# Whether a primary is ready: it answers by TCP, as on the socket a temporary server answers while the data folder is made, and the
# last script for a new data folder has run. A first start that was interrupted is never ready, and is to be begun again.
set -euo pipefail
pg_isready --quiet --host=127.0.0.1
psql --no-psqlrc --no-password --quiet --tuples-only --no-align --username=postgres --dbname="${POSTGRES_DB:-eventstore}" \
    --command="SELECT NOT pg_is_in_recovery() AND to_regrole('load_generator') IS NOT NULL
                      AND EXISTS (SELECT FROM pg_hba_file_rules WHERE 'eventstore_replication' = ANY (user_name))" | grep -qx t
