#!/bin/sh
# Everything a change must pass: the checks, then the tests with coverage. Arguments go to pytest.
set -eu
cd "$(dirname "$0")/.."
sh scripts/setup.sh
sh scripts/programs.sh

# Hundreds of processes are started: what they compile is kept.
unset PYTHONDONTWRITEBYTECODE

checks=0
sh scripts/check.sh || checks=$?
[ "$checks" = 0 ] || echo "test: the checks above failed; this run will not succeed"
tests=0
.venv/bin/python -m pytest --cov --cov-report=term "$@" || tests=$?
[ "$tests" = 0 ] || exit "$tests"
exit "$checks"
