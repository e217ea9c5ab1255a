#!/bin/bash
# Whether a replica is ready: it answers, and receives what the primary writes.
set -euo pipefail
psql --no-psqlrc --no-password --quiet --tuples-only --no-align --username=postgres --dbname="${POSTGRES_DB:-eventstore}" \
    --command="SELECT pg_is_in_recovery() AND EXISTS (SELECT FROM pg_stat_wal_receiver WHERE status = 'streaming')" | grep -qx t
