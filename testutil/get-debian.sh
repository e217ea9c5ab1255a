#!/bin/sh
# Gets Patroni, etcd, PgBouncer and Prometheus as Debian packages and unpacks them into a folder: nothing is installed, no root
# needed. It looks where testutil/src/tools.rs looks, and says what it found or did. Where that is not possible, it says so, and
# the tests that need them are left out.
set -eu

say() { printf 'tools: %s\n' "$*" >&2; }

if [ "$(id -u)" = 0 ]; then cache=/var/cache; else cache=${XDG_CACHE_HOME:-$HOME/.cache}; fi
target=$cache/eventstore/debian
PATH=$PATH:/usr/sbin

# Whether what was unpacked runs here: a file that is there need not have all that it needs.
runs() {
    libraries=$(echo "$1"/usr/lib/*-linux-gnu)
    for program in usr/bin/patroni usr/bin/etcd usr/sbin/pgbouncer usr/bin/prometheus usr/bin/promtool; do
        PYTHONPATH=$1/usr/lib/python3/dist-packages LD_LIBRARY_PATH=$libraries "$1/$program" --version >/dev/null 2>&1 ||
            return 1
    done
    PYTHONPATH=$1/usr/lib/python3/dist-packages LD_LIBRARY_PATH=$libraries /usr/bin/python3 -c 'import etcd, psycopg2' \
        >/dev/null 2>&1
}

if command -v patroni >/dev/null && command -v etcd >/dev/null && command -v pgbouncer >/dev/null &&
    command -v prometheus >/dev/null && command -v promtool >/dev/null; then
    say "Patroni, etcd, PgBouncer and Prometheus are installed"
    exit 0
fi
if runs "$target"; then
    say "using those in $target"
    exit 0
fi
if ! command -v apt-get >/dev/null || ! command -v dpkg >/dev/null; then
    say "no Debian here: tests that need Patroni, etcd, PgBouncer or Prometheus are left out unless you install them"
    exit 0
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
get() {
    apt-get download -q -o Acquire::Retries=0 -o Acquire::http::Timeout=10 -o Acquire::https::Timeout=10 "$1" \
        >/dev/null 2>>"$work/errors"
}
# What these need and a small system may not have. Names differ from release to release: what is not there has another one.
packages="etcd-server pgbouncer prometheus libcares2 libc-ares2 libevent-2.1-7 libevent-2.1-7t64 libpq5 python3-cdiff python3-click
    python3-colorama python3-dateutil python3-dnspython python3-etcd python3-pkg-resources python3-prettytable python3-psutil
    python3-psycopg2 python3-six python3-urllib3 python3-wcwidth python3-yaml"
if get patroni; then
    for package in $packages; do get "$package" || true; done
fi
mkdir root
for file in ./*.deb; do
    [ -e "$file" ] && dpkg -x "$file" root
done
if ! runs "$work/root"; then
    say "Patroni, etcd, PgBouncer and Prometheus could not be had; tests that need them are left out: $(tail -n 1 "$work/errors" 2>/dev/null)"
    exit 0
fi
mkdir -p "$(dirname "$target")"
rm -rf "$target"
mv root "$target"
chmod -R a+rX "$cache/eventstore"
say "got Patroni, etcd, PgBouncer and Prometheus into $target"
