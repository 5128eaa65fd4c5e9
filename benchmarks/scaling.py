"""How ``coffeeshop submit``, DuckDB and Polars take to more data, alternating at each size.

Wall and processor time, both also per row of all tables, and peak memory; medians of the rounds.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from statistics import median

import document
from compare import Comparison, Pairs, verdict
from contenders import RIVALS, packages, submit
from processes import Limits, Measured, data_set, measure_ours, read_once, rows_of

SIZES = (1_000_000, 2_000_000, 5_000_000, 14_600_000)
BASE = 2_000_000
TARGET = 1.1
"""Processor time per row of the largest set over that of `BASE`."""


def main() -> int:
    """Print a line per size and contender; 1 if answers differ."""
    chosen = _options()
    limits = Limits(chosen.time_limit, chosen.memory_limit)
    heads = ["wall s", "CPU s", "ns/row", "CPU ns/row", "peak MiB"]
    lines = [f"{'transactions':<13}{'':<12}" + "".join(f"{head:>11}" for head in heads)]
    lines[0] += "   submit's over it"
    print(lines[0])
    wrong: list[str] = []
    per_row: dict[int, float] = {}
    for transactions in chosen.transactions:
        folder = data_set(chosen.data_root, transactions)
        rows = rows_of(folder)
        ours, found = measured(folder, chosen.rivals, chosen.rounds, limits)
        per_row[transactions] = median(run.processor_seconds for run in ours) / rows
        block = [f"{transactions:<13,}{'submit':<12}{figures(ours, rows)}"]
        for name, pairs in found.items():
            block += rival_lines(name, pairs, transactions, rows)
            wrong += [f"{transactions:,} transactions: {name}: {said}" for said in pairs.wrong]
        print("\n".join(block), flush=True)
        lines += block
    growth = growth_of(per_row)
    for line in growth + [f"DIFFERENT: {sentence}" for sentence in wrong]:
        print(line)
    if not wrong:
        document.write(chosen.write, "scaling", lines + growth, packages(chosen.rivals))
    return 1 if wrong else 0


def measured(
    folder: Path, rivals: Sequence[str], rounds: int, limits: Limits
) -> tuple[list[Measured], dict[str, Pairs]]:
    """All runs of ``submit`` over one set, and the pairs of each rival."""
    read_once(folder)
    with tempfile.TemporaryDirectory(prefix="coffeeshop-bench-") as out:
        comparison = Comparison(folder, Path(out), limits)
        for number in range(rounds):
            for name in rivals:
                comparison.run(name, first=number % 2 == 0)
        ours = [run for pairs in comparison.found.values() for run in pairs.ours]
        if not ours:
            command = submit(folder, Path(out, "submit"))
            ours = [measure_ours(command, limits) for _ in range(rounds)]
    return ours, comparison.found


def rival_lines(name: str, pairs: Pairs, transactions: int, rows: int) -> list[str]:
    """A rival's line of one size, and why there is none."""
    head, lines = f"{'':<13}{name:<12}", []
    if pairs.theirs:
        wall, cpu = pairs.ratio("seconds"), pairs.ratio("processor_seconds")
        said = f"   {wall:.2f} wall, {cpu:.2f} CPU{verdict(name, transactions, wall, cpu)}"
        lines.append(f"{head}{figures(pairs.theirs, rows)}{said}")
    if pairs.unfinished:
        lines.append(f"{head}  {pairs.unfinished}")
    return lines


def figures(runs: Sequence[Measured], rows: int) -> str:
    """The columns of one contender."""
    wall = median(run.seconds for run in runs)
    cpu = median(run.processor_seconds for run in runs)
    peak = max(run.peak_mib for run in runs)
    ns = (wall / rows * 1e9, cpu / rows * 1e9)
    return f"{wall:>11.2f}{cpu:>11.2f}{ns[0]:>11.0f}{ns[1]:>11.0f}{peak:>11.0f}"


def growth_of(per_row: dict[int, float]) -> list[str]:
    """What a row of the largest set costs, in one of `BASE`'s; nothing without both."""
    largest = max(per_row)
    if BASE not in per_row or largest == BASE:
        return []
    ratio = per_row[largest] / per_row[BASE]
    said = "met" if ratio <= TARGET else "missed"
    return [
        f"submit's CPU time per row at {largest:,} over that at {BASE:,}: {ratio:.2f}"
        f" (target <= {TARGET}: {said})"
    ]


def _options() -> argparse.Namespace:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--transactions", type=int, nargs="+", default=SIZES)
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--rivals", nargs="*", choices=RIVALS, default=["duckdb", "polars"])
    options.add_argument("--time-limit", type=float, default=300.0, help="seconds of a run")
    options.add_argument("--memory-limit", type=float, default=16384.0, help="MiB of a run")
    options.add_argument("--data-root", type=Path, default=Path(".data"))
    document.add_option(options)
    return options.parse_args()


if __name__ == "__main__":
    sys.exit(main())
