"""Where the time of an analysis goes: each part alone, on one thread, without actors or journals.

The sum of the parts is what the work costs at its bare speed; what a whole ``submit`` takes beyond
it is what actors, journals, threads and the interpreter's lock cost. One thread starts; the rest
could at best be spread over all processors, which gives the least wall time.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from statistics import median

import contenders
import document
import pyarrow as pa
from processes import Measured, data_set, measure, measure_ours, read_once
from startup import run

from coffeeshop.allocator import tune_malloc
from coffeeshop.client.results import write_results
from coffeeshop.client.upload import use_one_columnar_thread
from coffeeshop.codec import decode, encode, split
from coffeeshop.pipeline.messages import Record, SessionSpec, out_journal
from coffeeshop.pipeline.plan import destinations, plan_of
from coffeeshop.pipeline.task import Output, TaskCore
from coffeeshop.reading.blocks import Buffers, blocks_of
from coffeeshop.reading.folder import open_folder
from coffeeshop.reading.parse import read
from coffeeshop.sessions.results import ResultFold

SPEC = SessionSpec("parts", "fused", 1, 2)
PLAN = plan_of(SPEC)
TARGETS = {"duckdb": 0.5, "polars": 0.6}
"""Of each rival's wall time."""
LIBRARIES = "import numpy, pyarrow, pyarrow.compute, pyarrow.csv"
OURS = (
    "import coffeeshop.cli as c\n"  # which keeps pandas out, where that is installed
    "with c._without_pandas(): import coffeeshop.commands.submission, coffeeshop.local"
)
STARTS = {"the interpreter": "pass", "numpy and pyarrow": LIBRARIES, "our modules": OURS}
"""What each part of the start imports, and all before it."""
AS_SUBMIT = {"OPENBLAS_NUM_THREADS": "1"}
"""The environment that `submit` makes itself before it imports numpy."""


class Parts:
    """Answers all questions on this thread, and counts its processor seconds part by part."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)
        self._buffers = Buffers()
        self._tasks = {task.journal: TaskCore(SPEC, task) for task in PLAN.tasks(SPEC)}
        self._results = ResultFold(SPEC)
        self._tables: dict[str, pa.Table] = {}

    @contextmanager
    def _of(self, name: str) -> Iterator[None]:
        began = time.thread_time()
        try:
            yield
        finally:
            self.seconds[name] += time.thread_time() - began

    def work(self, folder: Path, out: Path) -> None:
        """Read the folder, write the result files."""
        data = open_folder(folder, PLAN.table_names)
        for name in PLAN.table_names:
            number = 0
            for file in data.files[name]:
                for body in self._bodies(name, file):
                    self._feed(Record("batch", name, "0", number, body), number)
                    number += 1
            self._feed(Record("eof", name, "0", number), None)
        assert self._results.terminal is not None
        with self._of("writing the files"):
            write_results(self._tables, out, "csv")

    def _bodies(self, name: str, file: Path) -> Iterator[bytes]:
        late = PLAN.late_columns(name)
        blocks = blocks_of(PLAN.table(name), file, buffers=self._buffers)
        while True:
            with self._of("reading and cutting"):
                block = next(blocks, None)
            if block is None:
                return
            with self._of("scanning"):
                batch = read(block, late).batch
            block.release()
            with self._of("encoding"):
                bodies = [encode(piece) for piece in split(batch)]
            yield from bodies

    def _feed(self, record: Record, number: int | None) -> None:
        """Give a record to the tasks that read it, and what follows from it to the next ones."""
        for journal in destinations(PLAN, SPEC, record.stream, number):
            task = self._tasks[journal]
            part = "answers"
            if task.task.stage == "filters":
                part = "partial results" if number is None else "filters and folds"
            with self._of(part):
                outputs = task.feed(record)
            for output in outputs:
                self._pass_on(output)

    def _pass_on(self, output: Output) -> None:
        with self._of("answers"):
            if output.journal == out_journal(SPEC.id):
                self._results.feed(output.record)
                if output.record.kind == "batch":
                    batch = decode(output.record.body)
                    self._tables[output.record.stream] = pa.Table.from_batches([batch])
                return
            outputs = self._tasks[output.journal].feed(output.record)
        for each in outputs:
            self._pass_on(each)


def starts(runs: int) -> dict[str, float]:
    """Seconds of each part of the start."""
    found, before = {}, 0.0
    for name, program in STARTS.items():
        command = (sys.executable, "-c", program)
        cpu = min(run(command, AS_SUBMIT).cpu for _ in range(3 * runs)) / 1e3
        found[name], before = max(0.0, cpu - before), cpu
    return found


def table(
    parts: Mapping[str, float], start: float, measured: Mapping[str, list[Measured]]
) -> list[str]:
    """The lines of the table."""
    processors = os.cpu_count() or 1
    lines = ["CPU seconds, one thread", *(f"{n:<28}{s:>8.3f}" for n, s in parts.items())]
    whole = sum(parts.values())
    least = start + (whole - start) / processors
    ours = measured["submit"]
    cpu, wall = (
        median(getattr(m, name) for m in ours) for name in ("processor_seconds", "seconds")
    )
    lines += [
        f"{'all parts':<28}{whole:>8.3f}",
        f"{'submit, CPU':<28}{cpu:>8.3f}   {cpu / whole:.2f} of all parts",
        f"{'start + the rest / processors':<28}{least:>7.3f}   the least wall time of these parts",
        f"{'submit, wall':<28}{wall:>8.3f}   {wall / least:.2f} of it",
    ]
    for rival, ratio in TARGETS.items():
        theirs = median(m.seconds for m in measured[rival])
        lines.append(
            f"{f'{ratio:.2f} x {rival}, wall':<28}{ratio * theirs:>8.3f}"
            f"   submit / {rival}: {_ratio(ours, measured[rival]):.2f}"
        )
    return lines


def _ratio(ours: list[Measured], theirs: list[Measured]) -> float:
    """The median of what pairs of runs gave."""
    return median(a.seconds / b.seconds for a, b in zip(ours, theirs, strict=True))


def main() -> None:
    """Print the table."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--transactions", type=int, default=2_000_000)
    options.add_argument("--rounds", type=int, default=5)
    document.add_option(options)
    chosen = options.parse_args()
    folder = data_set(Path(".data"), chosen.transactions)
    read_once(folder)
    use_one_columnar_thread()
    tune_malloc()
    measured: dict[str, list[Measured]] = defaultdict(list)
    found: list[dict[str, float]] = []
    with tempfile.TemporaryDirectory(prefix="coffeeshop-bench-") as out:
        start = starts(chosen.rounds)
        for _ in range(chosen.rounds):
            parts = Parts()
            parts.work(folder, Path(out, "parts"))
            found.append(parts.seconds)
            measured["submit"].append(measure_ours(contenders.submit(folder, Path(out, "submit"))))
            for rival in TARGETS:
                command = contenders.command(rival, folder, Path(out, rival))
                measured[rival].append(measure(command))
    least = {name: min(each[name] for each in found) for name in found[0]}
    lines = table({**start, **least}, sum(start.values()), measured)
    print("\n".join(lines))
    document.write(chosen.write, "parts", lines, contenders.packages(list(TARGETS)))


if __name__ == "__main__":
    main()
