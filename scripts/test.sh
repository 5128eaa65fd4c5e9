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
# Most tests wait for processes and brokers more than they compute, so two run at a time. The tests of
# one file stay together: they share servers. `-n 0` runs them one after the other.
tests=0
.venv/bin/python -m pytest -n 2 --dist loadfile --cov --cov-report=term "$@" || tests=$?
[ "$tests" = 0 ] || exit "$tests"
exit "$checks"
