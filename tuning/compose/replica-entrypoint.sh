#!/bin/bash
# Makes a streaming replica: the first time from a base backup of the primary, later from what is there.
set -euo pipefail
if [ ! -s "$PGDATA/PG_VERSION" ]; then
    mkdir -p "$PGDATA"
    chown postgres:postgres "$PGDATA"
    chmod 700 "$PGDATA"
    gosu postgres env PGPASSWORD="$REPLICATION_PASSWORD" pg_basebackup \
        --host=primary --username=replicator --pgdata="$PGDATA" --wal-method=stream --write-recovery-conf --checkpoint=fast
fi
exec gosu postgres postgres -c config_file=/etc/postgresql/replica.conf -c data_directory="$PGDATA" \
    -c hba_file="$PGDATA/pg_hba.conf" -c listen_addresses='*'
