#!/bin/sh
# Gets Chromium and its driver as Debian packages and unpacks them into a folder: nothing is installed, no root needed. It
# looks where testutil/src/tools.rs looks, and says what it found or did. Where that is not possible, it says so, and the
# tests that need a browser are left out.
set -eu

say() { printf 'tools: %s\n' "$*" >&2; }

if [ "$(id -u)" = 0 ]; then cache=/var/cache; else cache=${XDG_CACHE_HOME:-$HOME/.cache}; fi
target=$cache/eventstore/chromium
PATH=$PATH:/usr/sbin
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

major() { "$@" --version 2>>"$work/errors" | sed -n 's/^[^0-9]*\([0-9][0-9]*\)\..*/\1/p' | head -n 1; }

# Whether those that are installed, or else unpacked, fit each other, and a page is really rendered.
runs() (
    driver=$(command -v chromedriver || echo "$1/usr/bin/chromedriver")
    browser=$(command -v chromium || command -v google-chrome || echo "$1/usr/lib/chromium/chromium")
    libraries=$(echo "$1"/usr/lib/*-linux-gnu)
    export LD_LIBRARY_PATH="$libraries:$libraries/pulseaudio"
    export FONTCONFIG_PATH="$1/etc/fonts" XDG_DATA_HOME="$1/usr/share"
    version=$(major "$driver")
    [ -n "$version" ] && [ "$version" = "$(major "$browser" --no-sandbox)" ] || return 1
    page='data:text/html,<p>1</p><script>document.body.append(1 + 1)</script>'
    HOME=$work timeout 60 "$browser" --headless=new --no-sandbox --disable-gpu --disable-dev-shm-usage \
        --disable-background-networking "--user-data-dir=$work/profile" --dump-dom "$page" 2>>"$work/errors" | grep -q '</script>2'
)

if runs /nonexistent; then
    say "Chromium and its driver are installed"
    exit 0
fi
if runs "$target"; then
    say "using Chromium in $target"
    exit 0
fi
rm -rf "$target"
if ! command -v apt-get >/dev/null || ! command -v dpkg >/dev/null; then
    say "no Debian here: tests that need a browser are left out unless you install chromium and chromedriver"
    exit 0
fi
# What a system has is not downloaded again: apt knows what is missing.
mkdir -p "$work/archives/partial" "$work/root"
apt-get install -y -q --no-install-recommends --download-only -o Debug::NoLocking=1 -o "Dir::Cache::archives=$work/archives" \
    -o Acquire::Retries=0 -o Acquire::http::Timeout=10 -o Acquire::https::Timeout=10 chromium chromium-driver \
    >/dev/null 2>"$work/apt" || true
for file in "$work"/archives/*.deb; do
    [ -e "$file" ] && dpkg -x "$file" "$work/root"
done
if ! runs "$work/root"; then
    reason=$( (grep '^E:' "$work/apt" || cat "$work/errors") | tail -n 1)
    say "Chromium could not be had; tests that need a browser are left out: $reason"
    exit 0
fi
mkdir -p "$(dirname "$target")"
mv "$work/root" "$target"
chmod -R a+rX "$cache/eventstore"
say "got Chromium and its driver into $target"
