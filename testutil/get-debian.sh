#!/bin/sh
# Gets Patroni, etcd and PgBouncer as Debian packages and unpacks them into a folder: nothing is installed, no root needed. It
# looks where testutil/src/tools.rs looks, and says what it found or did. Where that is not possible, it says so, and the
# tests that need them are left out.
set -eu

say() { printf 'tools: %s\n' "$*" >&2; }

if [ "$(id -u)" = 0 ]; then cache=/var/cache; else cache=${XDG_CACHE_HOME:-$HOME/.cache}; fi
target=$cache/eventstore/debian
PATH=$PATH:/usr/sbin

if command -v patroni >/dev/null && command -v etcd >/dev/null && command -v pgbouncer >/dev/null; then
    say "Patroni, etcd and PgBouncer are installed"
    exit 0
fi
if [ -x "$target/usr/bin/patroni" ]; then
    say "using those in $target"
    exit 0
fi
if ! command -v apt-get >/dev/null || ! command -v dpkg >/dev/null; then
    say "no Debian here: tests that need Patroni, etcd or PgBouncer are left out unless you install them"
    exit 0
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
# What these need and a small system may not have.
packages="patroni etcd-server pgbouncer libcares2 libc-ares2 libevent-2.1-7 libevent-2.1-7t64 libpq5 python3-cdiff python3-click
    python3-colorama python3-dateutil python3-dnspython python3-etcd python3-pkg-resources python3-prettytable python3-psutil
    python3-psycopg2 python3-six python3-urllib3 python3-wcwidth python3-yaml"
for package in $packages; do
    # Names differ from release to release: what is not there has another one.
    apt-get download -q "$package" >/dev/null 2>>"$work/errors" || true
done
mkdir root
for file in ./*.deb; do
    [ -e "$file" ] && dpkg -x "$file" root
done
if ! [ -x root/usr/bin/patroni ] || ! [ -x root/usr/bin/etcd ] || ! [ -x root/usr/sbin/pgbouncer ]; then
    say "the packages could not be had; tests that need them are left out: $(tail -n 1 "$work/errors" 2>/dev/null)"
    exit 0
fi
rm -rf "$target"
mkdir -p "$(dirname "$target")"
mv root "$target"
chmod -R a+rX "$cache/eventstore"
say "got Patroni, etcd and PgBouncer into $target"
