#!/bin/sh
# Simulated sessions, of tasks and of keepers: as many of each as the argument says.
set -eu
SIMULATED_SEEDS="$1"
export SIMULATED_SEEDS
.venv/bin/python -m pytest --timeout 7200 \
    tests/properties/test_keeper_simulation.py \
    tests/properties/test_simulation.py::test_a_session_of_the_cheap_plan_keeps_the_promise
