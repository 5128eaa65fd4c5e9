#!/bin/sh
# setup.sh [runtime]  Creates .venv with the project, and with what its tests, checks and benchmarks
# need unless `runtime` is all that is wanted. Uses uv when it is on the PATH, else venv and pip.
# Does nothing when that is done already; adds to what a smaller one left.
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

# has SET: whether .venv is complete, for this version of the project, and with at least that.
has() {
    [ -x .venv/bin/coffeeshop ] && [ "$(sed -n 1p .venv/.complete 2>/dev/null)" = "$wanted" ] &&
        { [ "$1" = runtime ] || [ "$(sed -n 2p .venv/.complete)" != runtime ]; }
}

venv_with_uv() {
    python=$(find_python)
    # Without a Python of this machine uv fetches one. With pip, which `make check` expects there.
    uv venv --quiet --clear --seed --python "${python:-3.12}" .venv
}

venv_with_pip() {
    python=$(find_python)
    if ! can_make_venv "$python"; then
        if ! sh scripts/packages.sh python3 python3-venv; then
            say "needs Python 3.11 or newer with venv (Debian: apt install python3-venv), or uv"
            exit 1
        fi
        python=$(find_python)
        if ! can_make_venv "$python"; then
            say "this system's python3 is older than 3.11 or has no venv; set PYTHON to a newer one"
            exit 1
        fi
    fi
    rm -rf .venv
    "$python" -m venv .venv
}

# What pip downloads and when it unpacks; the rest of its words only if it fails.
progress() {
    awk '{ print > kept }
        /Downloading .*[0-9] MB/ { sub(/^ */, ""); print "setup: " $0; fflush() }
        /^Installing collected/ { print "setup: unpacking (half of the time)"; fflush() }' kept="$1" >&2
}

# `editable_mode=compat` is a line that names this folder; the other way is a module that is imported at
# each start and takes as long as a sixth of our own.
install_with_pip() {
    log=$(mktemp)
    # Not compiled ahead: of a hundred modules that are never imported that takes as long as all else.
    { .venv/bin/python -m pip install --disable-pip-version-check --no-compile --progress-bar off \
        --config-settings editable_mode=compat --constraint constraints.txt --editable "$1" 2>&1 || touch "$log.failed"; } | progress "$log"
    if [ -e "$log.failed" ]; then
        cat "$log" >&2
        rm -f "$log" "$log.failed"
        say "failed; the lines above say why"
        exit 1
    fi
    rm -f "$log"
}

install_with_uv() {
    quiet=--quiet
    [ ! -t 2 ] || quiet=
    # shellcheck disable=SC2086 # empty, or one word
    uv pip install $quiet --python .venv/bin/python --config-settings editable_mode=compat \
        --constraint constraints.txt --editable "$1"
}

set=${1:-all}
wanted=$({ cat setup.cfg pyproject.toml constraints.txt setup.py 2>/dev/null || true; find coffeeshop -name '*.[ch]' -exec cat {} +; } | cksum)" $(pwd)" # a venv cannot be moved
if has "$set"; then
    exit 0
fi

tool=pip time="about a minute"
if command -v uv >/dev/null 2>&1; then
    tool=uv time="some seconds"
fi
if [ "$set" = runtime ]; then
    say "installing what an analysis needs into .venv: 30 packages, 90 MB to download, with $tool ($time)"
    extras=.
else
    say "installing the project and its development tools into .venv: 110 packages, 350 MB to download, with $tool (minutes)"
    extras='.[test,dev,bench]'
fi
if ! has runtime; then
    "venv_with_$tool"
fi
rm -f .venv/.complete # not complete until it is
"install_with_$tool" "$extras"
if [ "$set" != runtime ]; then
    # The tests start hundreds of processes, and not every environment lets them keep what they
    # compile. Some packages hold files for other versions of Python, which do not compile.
    .venv/bin/python -m compileall -q -j 0 .venv/lib >/dev/null 2>&1 || true
fi
printf '%s\n%s\n' "$wanted" "$set" >.venv/.complete
