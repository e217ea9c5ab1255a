#!/bin/bash
# Makes a streaming replica: the first time from a base backup of the primary, later from what is there.
set -euo pipefail
if [ ! -f "$PGDATA/standby.signal" ]; then
    # Beside the data folder and moved when it is whole: an interrupted backup is begun again.
    mkdir -p "$PGDATA"
    find "$PGDATA" -mindepth 1 -delete
    install -d -o postgres -g postgres -m 700 "$PGDATA" "$PGDATA/backup"
    until gosu postgres env PGPASSWORD="$REPLICATION_PASSWORD" pg_basebackup \
        --host=primary --username=replicator --pgdata="$PGDATA/backup" --wal-method=stream --write-recovery-conf \
        --checkpoint=fast; do
        find "$PGDATA/backup" -mindepth 1 -delete
        sleep 1
    done
    # standby.signal last: it says that everything else is there.
    find "$PGDATA/backup" -mindepth 1 -maxdepth 1 ! -name standby.signal -exec mv -t "$PGDATA" {} +
    mv "$PGDATA/backup/standby.signal" "$PGDATA"
    rmdir "$PGDATA/backup"
fi
exec gosu postgres postgres -c config_file=/etc/postgresql/replica.conf -c data_directory="$PGDATA" \
    -c hba_file="$PGDATA/pg_hba.conf" -c listen_addresses='*'
