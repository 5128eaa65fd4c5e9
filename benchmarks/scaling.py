"""Time per row and peak memory of ``coffeeshop submit`` as the data grows."""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

import document
from processes import SUBMIT, data_set, measure, read_once

SIZES = (1_000_000, 2_000_000, 5_000_000, 10_000_000)


def rows_of(folder: Path) -> int:
    """The rows of all tables, without headers."""
    files = list(folder.rglob("*.csv"))
    counted = subprocess.run(
        ["wc", "-l", "--", *map(str, files)], check=True, capture_output=True, text=True
    )
    lines = [line.split(maxsplit=1) for line in counted.stdout.splitlines()]
    return sum(int(number) for number, name in lines if name != "total") - len(files)


def main() -> None:
    """Print one line per size."""
    chosen = _options()
    lines = [f"{'transactions':>12}{'rows':>13}{'best s':>9}{'ns/row':>9}{'peak MiB':>10}"]
    print(lines[0])
    for transactions in chosen.transactions:
        folder = data_set(chosen.data_root, transactions)
        lines.append(measured(folder, transactions, chosen.rounds))
        print(lines[-1], flush=True)
    document.write(chosen.write, "scaling", lines)


def _options() -> argparse.Namespace:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--transactions", type=int, nargs="+", default=SIZES)
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--data-root", type=Path, default=Path(".data"))
    document.add_option(options)
    return options.parse_args()


def measured(folder: Path, transactions: int, rounds: int) -> str:
    """The line of one size."""
    read_once(folder)
    rows = rows_of(folder)
    with tempfile.TemporaryDirectory(prefix="coffeeshop-bench-") as out:
        command = [*SUBMIT, "--data-folder", str(folder), "--output-dir", out]
        runs = [measure(command) for _ in range(rounds)]
    best = min(run.seconds for run in runs)
    peak = max(run.peak_mib for run in runs)
    return f"{transactions:>12,}{rows:>13,}{best:>9.2f}{best / rows * 1e9:>9.0f}{peak:>10.0f}"


if __name__ == "__main__":
    sys.exit(main())
