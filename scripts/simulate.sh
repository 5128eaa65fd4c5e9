#!/bin/sh
# Simulated lives of a session: as many as the argument says.
set -eu
SIMULATED_SEEDS="$1"
export SIMULATED_SEEDS
.venv/bin/python -m pytest --timeout 3600 tests/properties/test_keeper_simulation.py
