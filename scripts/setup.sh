#!/bin/sh
# Creates .venv with the project and its tools. Does nothing when that is done already.
set -eu
cd "$(dirname "$0")/.."

say() { echo "setup: $*" >&2; }

right_python() {
    command -v "$1" >/dev/null 2>&1 &&
        "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null
}

find_python() {
    for candidate in ${PYTHON:-} python3 python3.13 python3.12 python3.11; do
        if right_python "$candidate"; then
            echo "$candidate"
            return
        fi
    done
}

can_make_venv() { [ -n "$1" ] && "$1" -c 'import ensurepip, venv' 2>/dev/null; }

wanted=$(cat setup.cfg pyproject.toml constraints.txt | cksum)" $(pwd)" # a venv cannot be moved
if [ -x .venv/bin/coffeeshop ] && [ "$(cat .venv/.complete 2>/dev/null)" = "$wanted" ]; then
    exit 0
fi

python=$(find_python)
if ! can_make_venv "$python"; then
    if ! sh scripts/packages.sh python3 python3-venv; then
        say "needs Python 3.11 or newer with venv (Debian: apt install python3-venv)"
        exit 1
    fi
    python=$(find_python)
    if ! can_make_venv "$python"; then
        say "this system's python3 is older than 3.11 or has no venv; set PYTHON to a newer one"
        exit 1
    fi
fi

say "installing into .venv"
rm -rf .venv
"$python" -m venv .venv
.venv/bin/python -m pip install --quiet --disable-pip-version-check \
    --constraint constraints.txt --editable '.[test,dev,bench]'
echo "$wanted" >.venv/.complete
