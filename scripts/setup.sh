#!/bin/sh
# Makes the environment .venv from requirements.lock and builds the page. Does nothing when nothing has changed.
#   scripts/setup.sh            everything
#   scripts/setup.sh --no-web   the Python side alone
set -eu
cd "$(dirname "$0")/.."
UV_VERSION=0.13.8

say() { printf '%s\n' "$*" >&2; }

suitable() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; }

find_python() {
    for candidate in "${PYTHON:-}" python3.13 python3.12 python3.11 python3.14 python3 python; do
        if [ -n "$candidate" ] && command -v "$candidate" >/dev/null 2>&1 && suitable "$candidate"; then
            command -v "$candidate"
            return
        fi
    done
    say "Deskwire needs Python 3.11 or newer: install it, or name it as in: make run PYTHON=/path/to/python3"
    exit 1
}

# uv reads none of pip's settings: where somebody told pip of a mirror or an authority, uv shall use them too.
adopt_pip_settings() {
    if [ -z "${UV_DEFAULT_INDEX:-}${UV_INDEX_URL:-}" ]; then
        index=${PIP_INDEX_URL:-$(.venv/bin/python -m pip config get global.index-url 2>/dev/null || :)}
        [ -z "$index" ] || export UV_DEFAULT_INDEX="$index"
    fi
    [ -n "${UV_FIND_LINKS:-}" ] || [ -z "${PIP_FIND_LINKS:-}" ] || export UV_FIND_LINKS="$PIP_FIND_LINKS"
    [ -n "${SSL_CERT_FILE:-}" ] || [ -z "${PIP_CERT:-}" ] || export SSL_CERT_FILE="$PIP_CERT"
    export UV_HTTP_TIMEOUT="${UV_HTTP_TIMEOUT:-120}"
}

set_up_python() {
    stamp=.venv/.setup-stamp
    # The folder's name is part of it because an environment does not survive being moved.
    wanted=$({ pwd; cat scripts/setup.sh requirements.lock pyproject.toml generated/python/pyproject.toml \
        clients/python/pyproject.toml; } | cksum)
    if [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$wanted" ] && [ -x .venv/bin/python ]; then
        return
    fi
    if ! .venv/bin/python -c 'import pip' 2>/dev/null || ! suitable .venv/bin/python ||
        [ "$(.venv/bin/python -c 'import os, sys; print(os.path.realpath(sys.prefix))')" != "$(pwd -P)/.venv" ]; then
        python=$(find_python)
        say "Making .venv with $("$python" --version) …"
        rm -rf .venv
        if ! "$python" -m venv .venv; then
            rm -rf .venv
            say "This Python cannot make environments: install its venv package (on Debian and Ubuntu: python3-venv)."
            exit 1
        fi
    fi
    rm -f "$stamp"
    adopt_pip_settings
    .venv/bin/python -m pip install --quiet --disable-pip-version-check "uv==$UV_VERSION"
    say "Installing the packages of requirements.lock …"
    .venv/bin/uv pip install --quiet --python .venv/bin/python --no-deps -r requirements.lock
    .venv/bin/uv pip install --quiet --python .venv/bin/python --no-deps --no-build-isolation \
        -e generated/python -e clients/python -e .
    printf '%s\n' "$wanted" >"$stamp"
}

# Names and contents of everything the page is made from.
web_sources() {
    find clients/web generated/ts \( -name node_modules -o -name dist -o -name 'dist-*' -o -name tests \) -prune \
        -o -type f -print | LC_ALL=C sort | xargs cksum | cksum
}

set_up_web() {
    if [ ! -f clients/web/package.json ]; then
        return
    fi
    if ! command -v npm >/dev/null 2>&1; then
        say "Node is not installed: everything but the chat page will work. Install Node 20 or newer for the page."
        return
    fi
    modules=clients/web/node_modules
    lock=$(cksum <clients/web/package-lock.json)
    if [ "$(cat $modules/.lock-stamp 2>/dev/null)" != "$lock" ]; then
        say "Installing the page's packages …"
        (cd clients/web && npm ci --no-audit --no-fund --loglevel=error >&2)
        # Where npm runs no install scripts, esbuild's must be run by hand.
        if [ -f $modules/esbuild/install.js ]; then
            (cd clients/web && node node_modules/esbuild/install.js)
        fi
        printf '%s\n' "$lock" >$modules/.lock-stamp
        rm -f $modules/.build-stamp
    fi
    sources=$(web_sources)
    if [ "$(cat $modules/.build-stamp 2>/dev/null)" != "$sources" ]; then
        say "Building the page …"
        (cd clients/web && npm run build --if-present --silent >&2)
        printf '%s\n' "$sources" >$modules/.build-stamp
    fi
}

set_up_python
if [ "${1:-}" != --no-web ]; then
    set_up_web
fi
