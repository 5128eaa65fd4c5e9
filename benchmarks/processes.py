"""Runs a command as a process of its own and measures it."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

SUBMIT = [sys.executable, "-m", "coffeeshop", "submit", "--quiet"]


@dataclass(frozen=True)
class Measured:
    """What one process took, start of the interpreter included."""

    seconds: float
    peak_mib: float


def measure(command: list[str]) -> Measured:
    """Run a command; a failing one ends the benchmark."""
    began = time.perf_counter()
    process = subprocess.Popen(command)
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - began
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        sys.exit(f"failed with {process.returncode}: {' '.join(command)}")
    unit = 1 if sys.platform == "darwin" else 1024  # ru_maxrss: bytes there, KiB elsewhere
    return Measured(seconds, usage.ru_maxrss * unit / 2**20)


def data_set(root: Path, transactions: int) -> Path:
    """The generated folder of that many transactions, made if absent."""
    folder = root / f"bench-{transactions}"
    if not folder.is_dir():
        partial = root / f"bench-{transactions}.partial"
        if partial.exists():
            sys.exit(f"{partial} is left from an interrupted run: remove it")
        root.mkdir(parents=True, exist_ok=True)
        print(f"generating {folder}", file=sys.stderr)
        generate = ["generate", str(partial), "--transactions", str(transactions)]
        subprocess.run(
            [sys.executable, "-m", "coffeeshop", *generate], check=True, stdout=subprocess.DEVNULL
        )
        partial.rename(folder)
    return folder


def read_once(folder: Path) -> None:
    """Fill the page cache, so that no contender pays for the disk."""
    for file in folder.rglob("*.csv"):
        with file.open("rb") as stream:
            while stream.read(1 << 24):
                pass
