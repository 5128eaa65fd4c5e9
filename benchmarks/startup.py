"""Time until ``coffeeshop`` has said what it has to say when there is little to compute.

Help, completion, and a whole ``submit`` of 5,000 transactions. Each run is a process of its own,
start of the interpreter included, and the commands alternate. On a machine that others use as well,
CPU time (user and system) tells more than wall time.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import document
from contenders import submit
from processes import ENVIRONMENT, data_set

TARGET = 100.0
"""Milliseconds of CPU time, in the median, for each command that computes nothing."""
TINY = 5_000
TINY_RUN = f"submit {TINY:,}"
TINY_TARGET = 600.0
"""The same for a run over `TINY` transactions."""
ASKED = {
    "_COFFEESHOP_COMPLETE": "bash_complete",
    "COMP_WORDS": "coffeeshop submit --",
    "COMP_CWORD": "2",
}
OURS = (sys.executable, "-m", "coffeeshop")
COMMANDS: dict[str, tuple[tuple[str, ...], dict[str, str]]] = {
    "--help": ((*OURS, "--help"), {}),
    "--version": ((*OURS, "--version"), {}),
    "submit --help": ((*OURS, "submit", "--help"), {}),
    "completion": (OURS, ASKED),
    "python -c pass": ((sys.executable, "-c", "pass"), {}),
}
"""What is run, and what its environment says besides; the last one is there to compare."""


@dataclass(frozen=True)
class Run:
    """Milliseconds that one process took."""

    wall: float
    cpu: float


def run(command: tuple[str, ...], environment: dict[str, str]) -> Run:
    """Run a command; a failing one ends the benchmark."""
    began = time.perf_counter()
    process = subprocess.Popen(
        command, env={**ENVIRONMENT, **environment}, stdout=subprocess.DEVNULL
    )
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.perf_counter() - began
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        sys.exit(f"failed with {process.returncode}: {' '.join(command)}")
    return Run(wall * 1e3, (usage.ru_utime + usage.ru_stime) * 1e3)


def row(name: str, runs: list[Run]) -> str:
    """The table's line of a command."""
    walls, cpus = [each.wall for each in runs], [each.cpu for each in runs]
    figures = (median(cpus), min(cpus), median(walls), min(walls))
    verdict = ""
    if name != "python -c pass":
        target = TINY_TARGET if name == TINY_RUN else TARGET
        missed = "met" if median(cpus) <= target else "missed"
        verdict = f"   CPU <= {target:.0f}: {missed}"
    return f"{name:<15}" + "".join(f"{figure:>13.0f}" for figure in figures) + verdict


def main() -> None:
    """Print the table; exit with 1 if a target is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=20)
    document.add_option(parser)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="coffeeshop-bench-") as out:
        tiny = tuple(submit(data_set(Path(".data"), TINY), Path(out)))
        commands = {**COMMANDS, TINY_RUN: (tiny, {})}
        found: dict[str, list[Run]] = {name: [] for name in commands}
        for _ in range(options.runs):
            for name, (command, environment) in commands.items():
                found[name].append(run(command, environment))
    head = "".join(f"{title:>13}" for title in ("CPU median", "CPU min", "wall median", "wall min"))
    lines = [f"{'milliseconds':<15}{head}", *(row(name, runs) for name, runs in found.items())]
    print("\n".join(lines))
    document.write(options.write, "startup", lines)
    if any("missed" in line for line in lines):
        sys.exit(1)


if __name__ == "__main__":
    main()
