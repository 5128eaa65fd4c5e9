"""Runs a command as a process of its own and measures it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

SUBMIT = [sys.executable, "-m", "coffeeshop", "submit", "--quiet"]
TREE = Path(__file__).with_name("process_tree.py")
ENVIRONMENT = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
"""Of what is measured: compiled once, as an installed package is, not at each start."""


@dataclass(frozen=True)
class Limits:
    """What a run may take before it is killed."""

    seconds: float = 300.0
    mib: float = 8192.0


@dataclass(frozen=True)
class Measured:
    """What one run took, start of the interpreter and all of its processes included."""

    seconds: float
    processor_seconds: float
    peak_mib: float


class Unfinished(Exception):
    """A run that failed or took more than its limits; says which in a few words."""


def measure(command: list[str], limits: Limits = Limits()) -> Measured:
    """Run a command, what it prints unseen. Raises `Unfinished`."""
    with tempfile.TemporaryDirectory(prefix="coffeeshop-bench-") as directory:
        report, log = Path(directory, "report"), Path(directory, "log")
        words = [str(report), str(limits.seconds), str(limits.mib), "--", *command]
        with log.open("wb") as stream:
            subprocess.run(
                [sys.executable, str(TREE), *words],
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=stream,
                check=True,
                env=ENVIRONMENT,
            )
        tree = json.loads(report.read_text())
        match tree["exceeded"]:
            case "seconds":
                raise Unfinished(f"no answer within {limits.seconds:g} s")
            case "MiB":
                raise Unfinished(f"took more than {limits.mib:g} MiB")
        if tree["code"] != 0:
            said = log.read_text(errors="replace").strip().splitlines()
            raise Unfinished(f"ended with {tree['code']}: {said[-1] if said else 'without a word'}")
    return Measured(tree["seconds"], tree["processor_seconds"], tree["peak_mib"])


def measure_ours(command: list[str], limits: Limits = Limits()) -> Measured:
    """As `measure`; a run of coffeeshop that does not finish ends the benchmark."""
    try:
        return measure(command, limits)
    except Unfinished as reason:
        sys.exit(f"coffeeshop {reason}")


def data_set(root: Path, transactions: int, seed: int = 1) -> Path:
    """The generated folder of that many transactions, made if absent."""
    folder = root / (f"bench-{transactions}" + (f"-{seed}" if seed != 1 else ""))
    if not folder.is_dir():
        partial = folder.with_name(f"{folder.name}.partial")
        if partial.exists():
            sys.exit(f"{partial} is left from an interrupted run: remove it")
        root.mkdir(parents=True, exist_ok=True)
        print(f"generating {folder}", file=sys.stderr)
        size = ["--transactions", str(transactions), "--seed", str(seed)]
        subprocess.run(
            [sys.executable, "-m", "coffeeshop", "generate", str(partial), *size],
            check=True,
            stdout=subprocess.DEVNULL,
        )
        partial.rename(folder)
    return folder


def rows_of(folder: Path) -> int:
    """The rows of all tables, without headers."""
    files = list(folder.rglob("*.csv"))
    counted = subprocess.run(
        ["wc", "-l", "--", *map(str, files)], check=True, capture_output=True, text=True
    )
    lines = [line.split(maxsplit=1) for line in counted.stdout.splitlines()]
    return sum(int(number) for number, name in lines if name != "total") - len(files)


def read_once(folder: Path) -> None:
    """Fill the page cache, so that no contender pays for the disk."""
    for file in folder.rglob("*.csv"):
        with file.open("rb") as stream:
            while stream.read(1 << 24):
                pass
