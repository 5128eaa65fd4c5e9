"""Crash points: what is passed, what is refused, and that arming kills."""

from __future__ import annotations

import subprocess
import sys

import pytest

from coffeeshop.crashpoints import POINTS, VARIABLE, crash_point, noting
from coffeeshop.errors import UsageError
from coffeeshop.settings import arm_crash_point

PASS_THREE = "from coffeeshop.crashpoints import arm, crash_point\n{}\n" + "\n".join(
    ["print('passed', flush=True); crash_point('task.started')"] * 3
)


def test_passings_are_counted_while_noted() -> None:
    crash_point("task.started")
    with noting() as passed:
        crash_point("task.started")
        crash_point("task.started")
    crash_point("task.started")
    assert passed == {"task.started": 2}


@pytest.mark.parametrize("wanted", ["nowhere", "task.started:x", "task.started:0"])
def test_what_is_no_crash_point_is_a_usage_error(wanted: str) -> None:
    with pytest.raises(UsageError, match=f"{VARIABLE}: no crash point '{wanted}'"):
        arm_crash_point({VARIABLE: wanted})


def test_without_the_variable_nothing_is_armed() -> None:
    arm_crash_point({})
    for point in POINTS:
        crash_point(point)


@pytest.mark.parametrize(("armed", "passed"), [("task.started", 1), ("task.started:3", 3)])
def test_an_armed_process_dies_at_the_passing_it_is_told(armed: str, passed: int) -> None:
    code = PASS_THREE.format(f"arm({armed!r})")
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert found.returncode == -9
    assert found.stdout == "passed\n" * passed
