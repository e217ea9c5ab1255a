#!/bin/sh
# Makes the passwords that docker-compose.yml hands to its containers, each in a file of its own, random, and leaves alone
# those that are there already.
#   make-secrets.sh           in the folder secrets/ beside docker-compose.yml
#   make-secrets.sh FOLDER    elsewhere
# Compose mounts such a file as it is, and each image has a user of its own (postgres 999, grafana 472 …): so the files may be
# read by everyone, and the folder, through which nobody but its owner gets to them on this machine, by its owner alone. A
# container has only those files that its service names.
set -eu

folder=${1:-$(dirname "$0")/../../secrets}
umask 077
mkdir -p "$folder"
chmod 700 "$folder"
for name in postgres eventstore_admin eventstore_writer eventstore_importer eventstore_reader eventstore_projector \
    eventstore_monitor eventstore_replication load_generator grafana_admin; do
    if [ -s "$folder/$name" ]; then continue; fi
    # Beside it, and moved when it is whole: an interrupted run leaves no short password. 192 bits, in hexadecimal.
    head -c 24 /dev/urandom | od -An -v -tx1 | tr -d ' \n' >"$folder/.$name"
    chmod 444 "$folder/.$name"
    mv "$folder/.$name" "$folder/$name"
done
