"""``coffeeshop submit`` beside other engines on the same CSV files.

Wall time, processor time and peak memory of whole processes with all that they start, beginning
with the interpreter. Each run of a rival has a run of ``submit`` beside it, first or second in
turn, and a ratio is the median of what these pairs gave. Every answer of every run is compared byte
by byte; different ones fail the benchmark.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

import document
from answers import differences
from contenders import RIVALS, command, packages, submit
from processes import Limits, Measured, Unfinished, data_set, measure, measure_ours, read_once

TINY = 5_000
SMALLEST, LARGE = 2_000_000, 10_000_000
TARGETS = {"duckdb": (0.50, 0.45), "polars": (0.60, 0.55)}
"""What submit's wall time may be over a rival's, from `SMALLEST` sets on and from `LARGE` ones on;
the second holds for processor time as well."""


@dataclass
class Pairs:
    """The runs of a rival, each with the run of ``submit`` beside it."""

    ours: list[Measured] = field(default_factory=list)
    theirs: list[Measured] = field(default_factory=list)
    unfinished: str = ""
    """Why there are no more, or none."""
    wrong: list[str] = field(default_factory=list)
    """How its answers differ from submit's."""

    def ratio(self, figure: str) -> float:
        """submit's over the rival's, the median of the pairs."""
        pairs = zip(self.ours, self.theirs, strict=True)
        return median(getattr(mine, figure) / getattr(other, figure) for mine, other in pairs)


class Comparison:
    """Runs of ``submit`` and rivals over one folder, alternating."""

    def __init__(self, folder: Path, out: Path, limits: Limits) -> None:
        """``out``: an empty folder for answers."""
        self._folder = folder
        self._out = out
        self._limits = limits
        self.found: dict[str, Pairs] = {}

    def run(self, rival: str, *, first: bool) -> None:
        """A run of a rival and one of ``submit``, which comes ``first`` or second.

        Not of a rival that did not finish before; exits when ``submit`` does not finish.
        """
        pairs = self.found.setdefault(rival, Pairs(unfinished=RIVALS[rival].missing()))
        if pairs.unfinished:
            return
        ours, theirs = self._out / "submit", self._out / rival
        before = measure_ours(submit(self._folder, ours), self._limits) if first else None
        try:
            other = measure(command(rival, self._folder, theirs), self._limits)
        except Unfinished as reason:
            pairs.unfinished = str(reason)
            return
        pairs.ours.append(before or measure_ours(submit(self._folder, ours), self._limits))
        pairs.theirs.append(other)
        pairs.wrong += differences(ours, theirs)

    def wrong(self) -> list[str]:
        """A sentence for each answer that differs from submit's."""
        return [f"{name}: {said}" for name, pairs in self.found.items() for said in pairs.wrong]


def report(found: dict[str, Pairs], transactions: int) -> list[str]:
    """The table's lines."""
    heads = ["runs", "wall s", "min", "max", "CPU s", "peak MiB"]
    lines = [
        f"{'':<12}" + "".join(f"{head:>9}" for head in heads) + "  submit's over it: wall, CPU"
    ]
    ours = [run for pairs in found.values() for run in pairs.ours]
    if ours:
        lines.append(f"{'submit':<12}{figures(ours)}")
    for name, pairs in found.items():
        if pairs.theirs:
            wall, cpu = pairs.ratio("seconds"), pairs.ratio("processor_seconds")
            ratios = f"{wall:>8.2f}{cpu:>8.2f}{verdict(name, transactions, wall, cpu)}"
            lines.append(f"{name:<12}{figures(pairs.theirs)}{ratios}")
        if pairs.unfinished:
            lines.append(f"{name:<12}  {pairs.unfinished}")
    return lines


def figures(runs: Sequence[Measured]) -> str:
    """The columns of one contender."""
    seconds = [run.seconds for run in runs]
    wall = (median(seconds), min(seconds), max(seconds))
    cpu = median(run.processor_seconds for run in runs)
    peak = max(run.peak_mib for run in runs)
    return f"{len(runs):>9}" + "".join(f"{s:>9.2f}" for s in (*wall, cpu)) + f"{peak:>9.0f}"


def verdict(rival: str, transactions: int, wall: float, cpu: float) -> str:
    """Whether the target is met, if there is one."""
    if rival not in TARGETS or transactions < SMALLEST:
        return ""
    large = transactions >= LARGE
    target = TARGETS[rival][large]
    met = wall <= target and (cpu <= target or not large)
    return f"  target {'both' if large else 'wall'} <= {target:.2f}: {'met' if met else 'missed'}"


def main() -> int:
    """Measure, compare, print; 1 if the answers differ."""
    chosen = _options()
    rivals = [name for name in RIVALS if name in chosen.rivals]
    folder = chosen.data or data_set(Path(".data"), chosen.transactions)
    limits = Limits(chosen.time_limit, chosen.memory_limit)
    tiny = data_set(Path(".data"), TINY)
    read_once(folder)
    with tempfile.TemporaryDirectory(prefix="coffeeshop-bench-") as directory:
        once = Comparison(tiny, Path(directory, "tiny"), limits)
        for name in rivals:  # programs into memory, unmeasured
            once.run(name, first=True)
        comparison = Comparison(folder, Path(directory, "measured"), limits)
        for number in range(chosen.rounds):
            for name in rivals:
                if number < chosen.slow_rounds or not RIVALS[name].slow:
                    comparison.run(name, first=number % 2 == 0)
                    print(f"round {number + 1}: {name}", file=sys.stderr)
    lines = report(comparison.found, chosen.transactions)
    wrong = once.wrong() + comparison.wrong()
    finished = [name for name, pairs in comparison.found.items() if pairs.theirs]
    if not wrong:
        lines.append(f"the same bytes from submit and {', '.join(finished)}, in every run")
    print("\n".join(lines))
    for sentence in wrong:
        print(f"DIFFERENT: {sentence}")
    if not wrong:
        document.write(chosen.write, chosen.table, lines, packages(finished))
    return 1 if wrong else 0


def _options() -> argparse.Namespace:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--transactions", type=int, default=2_000_000)
    options.add_argument("--rounds", type=int, default=5)
    options.add_argument(
        "--slow-rounds", type=int, default=1, help="of pyspark, dask and ray (default: 1)"
    )
    options.add_argument("--data", type=Path, help="a data folder; else one is generated")
    options.add_argument(
        "--rivals", nargs="+", choices=RIVALS, default=list(RIVALS), help="default: all"
    )
    options.add_argument(
        "--time-limit", type=float, default=300.0, help="seconds of a run (default: 300)"
    )
    options.add_argument(
        "--memory-limit", type=float, default=8192.0, help="MiB of a run (default: 8192)"
    )
    document.add_option(options)
    options.add_argument("--table", default="compare", help="the marks' name for --write")
    return options.parse_args()


if __name__ == "__main__":
    sys.exit(main())
