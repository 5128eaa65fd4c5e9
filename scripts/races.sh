#!/bin/sh
# races.sh SEED ARGUMENT...  Tests whose threads are switched at random times, while the processors are busy with
# other things: what happens once in many runs happens sooner. The arguments go to pytest.
set -eu
cd "$(dirname "$0")/.."
THREAD_SWITCHES=$1
export THREAD_SWITCHES
shift
echo "races: seed $THREAD_SWITCHES"
.venv/bin/python -c "while True: pass" &
first=$!
.venv/bin/python -c "while True: pass" &
second=$!
trap 'kill "$first" "$second"' EXIT
.venv/bin/python -m pytest -n 2 --dist loadfile "$@"
