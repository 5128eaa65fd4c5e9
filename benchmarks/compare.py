"""Wall time and peak memory of ``coffeeshop submit``, DuckDB and Polars on the same CSV files.

Each run is a process of its own, start-up included, and the contenders alternate. All answers are
compared; different ones fail the benchmark.
"""

from __future__ import annotations

import argparse
import csv
import sys
import tempfile
from decimal import Decimal
from itertools import zip_longest
from pathlib import Path
from statistics import median

import document
from processes import SUBMIT, Measured, data_set, measure, read_once

HERE = Path(__file__).parent
FILES = ("query1", "query2_best_selling", "query2_most_profitable", "query3", "query4")
NUMBERS = {"final_amount", "sellings_qty", "profit_sum", "tpv", "purchases_qty"}
TARGETS = {"duckdb": 0.5, "polars": 0.7}  # submit's median time over the rival's


def commands(folder: Path, out: Path) -> dict[str, list[str]]:
    """What to run for each contender."""
    rivals = {
        name: [sys.executable, str(HERE / f"{name}_rival.py"), str(folder), str(out / name)]
        for name in TARGETS
    }
    options = ["--data-folder", str(folder), "--output-dir", str(out / "submit")]
    return {"submit": [*SUBMIT, *options], **rivals}


def rows(file: Path) -> list[list[str | Decimal]]:
    """A file's rows; numbers by value, since `78.0` and `78.000` are the same answer."""
    with file.open(newline="", encoding="utf-8") as stream:
        reader = csv.reader(stream)
        header = next(reader)
        numeric = [name in NUMBERS for name in header]
        body = [
            [Decimal(cell) if number else cell for cell, number in zip(row, numeric, strict=True)]
            for row in reader
        ]
        return [list(header), *body]


def differences(out: Path, names: list[str]) -> list[str]:
    """One sentence for each answer file that differs from the first contender's."""
    found = []
    for file in FILES:
        reference = rows(out / names[0] / f"{file}.csv")
        for name in names[1:]:
            other = rows(out / name / f"{file}.csv")
            for line, (mine, theirs) in enumerate(zip_longest(reference, other), 1):
                if mine != theirs:
                    found.append(f"{file}.csv line {line}: {names[0]} {mine}, {name} {theirs}")
                    break
    return found


def report(runs: dict[str, list[Measured]]) -> list[str]:
    """The table's lines."""
    ours = median(run.seconds for run in runs["submit"])
    heads = f"{'':<8}{'median s':>10}{'min s':>8}{'max s':>8}{'peak MiB':>10}"
    lines = [f"{heads}  submit's time over it"]
    for name, measured in runs.items():
        seconds = [run.seconds for run in measured]
        line = f"{name:<8}{median(seconds):>10.2f}{min(seconds):>8.2f}{max(seconds):>8.2f}"
        line += f"{max(run.peak_mib for run in measured):>10.0f}"
        if name in TARGETS:
            ratio = ours / median(seconds)
            verdict = "met" if ratio <= TARGETS[name] else "missed"
            line += f"  {ratio:.2f} (target <= {TARGETS[name]}: {verdict})"
        lines.append(line)
    return lines


def main() -> int:
    """Measure, compare, print; 1 if the answers differ."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--transactions", type=int, default=2_000_000)
    options.add_argument("--rounds", type=int, default=5)
    options.add_argument("--data", type=Path, help="a data folder; else one is generated")
    document.add_option(options)
    chosen = options.parse_args()
    folder = chosen.data or data_set(Path(".data"), chosen.transactions)
    read_once(folder)
    with tempfile.TemporaryDirectory(prefix="coffeeshop-bench-") as directory:
        out = Path(directory)
        contenders = commands(folder, out)
        runs: dict[str, list[Measured]] = {name: [] for name in contenders}
        for _ in range(chosen.rounds):
            for name, command in contenders.items():
                runs[name].append(measure(command))
        wrong = differences(out, list(contenders))
    lines = report(runs)
    print("\n".join(lines))
    for sentence in wrong:
        print(f"DIFFERENT: {sentence}")
    if not wrong:
        print("the same answers from all three")
        document.write(chosen.write, "compare", lines)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
