#!/bin/sh
# chaos.sh SECONDS SEED [OPTION...]  Breaks a system of real processes for that long, with an oracle.
set -eu
cd "$(dirname "$0")/.."
sh scripts/setup.sh
sh scripts/programs.sh
seconds=$1
seed=$2
shift 2
exec .venv/bin/python -m tests.chaos.campaign --seconds "$seconds" --seed "$seed" "$@"
