#!/bin/bash
# Runs a streaming replica: the first time on a base backup of the primary, later on what is there, which a promotion may have
# made a primary. Runs as the user of the server. Arguments go to the server.
#   PRIMARY_HOST, PRIMARY_PORT  where the primary is
#   SLOT                        the replication slot, made on the primary if it is not there, and the name in its statistics
#   PGDATA, CONFIG              data folder and configuration file
#   SECRETS                     folder with the password of eventstore_replication
#   PASSFILE                    where that password is put for the server, in a form that libpq reads
set -euo pipefail

host=${PRIMARY_HOST:-primary} port=${PRIMARY_PORT:-5432} slot=${SLOT:-replica}
secret=${SECRETS:-/run/secrets}/eventstore_replication
export PGPASSFILE=${PASSFILE:-/tmp/replication.pgpass} PGAPPNAME=$slot

# At each start: a password that was changed is taken, and none is in the data folder or in a command line.
umask 077
password=
# The first line, as the programs read it. Reading fails where it does not end.
IFS= read -r password <"$secret" || true
password=${password%$'\r'}
if [ -z "$password" ]; then
    echo "first line of $secret is empty; expected a password" >&2
    exit 1
fi
printf '*:*:*:eventstore_replication:%s\n' "$(sed 's/[\\:]/\\&/g' <<<"$password")" >"$PGPASSFILE"
unset password

# With --if-not-exists an interrupted backup finds its slot again.
back_up() {
    pg_receivewal --host="$host" --port="$port" --username=eventstore_replication --no-password --slot="$slot" \
        --create-slot --if-not-exists &&
        pg_basebackup --host="$host" --port="$port" --username=eventstore_replication --no-password --slot="$slot" \
            --pgdata="$PGDATA/backup" --wal-method=stream --checkpoint=fast --write-recovery-conf
}

if [ ! -f "$PGDATA/PG_VERSION" ]; then
    # Beside the data folder and moved when it is whole: an interrupted backup is begun again.
    mkdir -p "$PGDATA"
    chmod 700 "$PGDATA"
    find "$PGDATA" -mindepth 1 -delete
    until back_up; do
        find "$PGDATA" -mindepth 1 -delete
        sleep 1
    done
    # PG_VERSION last: it says that everything else is there. standby.signal would not do: a promotion removes it, and what was
    # written since must not be backed up away.
    find "$PGDATA/backup" -mindepth 1 -maxdepth 1 ! -name PG_VERSION -exec sh -c 'mv "$@" "$0"' "$PGDATA" {} +
    sync -f "$PGDATA"
    mv "$PGDATA/backup/PG_VERSION" "$PGDATA"
    rmdir "$PGDATA/backup"
fi
exec postgres -D "$PGDATA" -c config_file="${CONFIG:-/etc/postgresql/postgresql.conf}" "$@"
