"""The distributed system on one machine: whole `submit --gateway` runs beside DuckDB's.

Starts a private RabbitMQ, a gateway and two workers on loopback. Then ten small sessions at once,
alone and beside a large one. Processor time is that of whole processes, what they started and the
clean-up after a session included. Linux.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import document
from answers import differences
from contenders import command, packages, submit
from processes import Measured, data_set, measure, measure_ours, read_once, rows_of
from service import Service, per_million, running, since

SMALL = 10
TARGET = 1.0
RATE = 3.5e6


def main() -> int:
    """Measure, compare, print; 1 if the answers differ."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--transactions", type=int, default=2_000_000)
    options.add_argument("--small-transactions", type=int, default=5_000)
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--workers", type=int, default=2)
    document.add_option(options)
    chosen = options.parse_args()
    folder = data_set(Path(".data"), chosen.transactions)
    small = data_set(Path(".data"), chosen.small_transactions)
    read_once(folder)
    with (
        tempfile.TemporaryDirectory(prefix="coffeeshop-bench-") as directory,
        running(chosen.workers) as service,
    ):
        out = Path(directory)
        lines, wrong = whole_runs(folder, out, service, chosen.rounds)
        lines.append(small_sessions(small, folder, out, service.url))
        lines.append(f"peak MiB: {service.peak_mib()}")
    print("\n".join(lines))
    for sentence in wrong:
        print(f"DIFFERENT: {sentence}")
    if not wrong:
        document.write(chosen.write, "distributed", lines, packages(["duckdb"]))
    return 1 if wrong else 0


def by_gateway(url: str, folder: Path, out: Path) -> list[str]:
    """The command of one client."""
    return [*submit(folder, out), "--gateway", url]


def whole_runs(
    folder: Path, out: Path, service: Service, rounds: int
) -> tuple[list[str], list[str]]:
    """Both contenders' times in lines; the differences of their answers."""
    ours, theirs = out / "distributed", out / "duckdb"
    pairs: list[tuple[Measured, Measured]] = []
    used: list[dict[str, float]] = []
    wrong: list[str] = []
    measure_ours(by_gateway(service.url, folder, ours))  # programs into memory
    for _ in range(rounds):
        before = service.processor_seconds()
        mine = measure_ours(by_gateway(service.url, folder, ours))
        other = measure(command("duckdb", folder, theirs))
        # Looked at now, when the session's journals are removed as well.
        servers = since(before, service.processor_seconds())
        used.append({"client": mine.processor_seconds, **servers})
        pairs.append((mine, other))
        wrong += differences(ours, theirs)
    rows = rows_of(folder)
    medians = [statistics.median(run.seconds for run in runs) for runs in zip(*pairs, strict=True)]
    lines = [
        f"{name:<12}{seconds:>8.2f} s{rows / seconds:>14,.0f} rows/s"
        for name, seconds in zip(("distributed", "duckdb"), medians, strict=True)
    ]
    ratio = statistics.median(mine.seconds / other.seconds for mine, other in pairs)
    rate = rows / medians[0]
    lines[0] += f" (target >= {RATE:,.0f}: {'met' if rate >= RATE else 'missed'})"
    lines.append(
        f"distributed / duckdb: {ratio:.2f}"
        f" (target <= {TARGET:.2f}: {'met' if ratio <= TARGET else 'missed'})"
    )
    middle = {name: statistics.median(each[name] for each in used) for name in used[0]}
    theirs_used = statistics.median(other.processor_seconds for _, other in pairs)
    lines.append("CPU seconds per million rows:")
    lines.append(f"  distributed: {per_million(middle, rows)}")
    lines.append(f"  duckdb: {theirs_used / rows * 1e6:.3f}")
    return lines, wrong


def small_sessions(small: Path, large: Path, out: Path, url: str) -> str:
    """The median time of ten small sessions at once, alone and beside a large one."""
    latencies(small, out, url)
    alone = latencies(small, out, url)
    beside_it = subprocess.Popen(by_gateway(url, large, out / "large"))
    beside = latencies(small, out, url)
    still = beside_it.poll() is None
    beside_it.wait()
    return (
        f"{SMALL} small sessions at once: median {alone:.2f} s alone, {beside:.2f} s beside a large"
        f" one{'' if still else ' (which ended first)'}: {beside / alone:.1f} x (target <= 3)"
    )


def latencies(small: Path, out: Path, url: str) -> float:
    """The median seconds of the clients that run at once."""

    def one(number: int) -> float:
        began = time.perf_counter()
        subprocess.run(by_gateway(url, small, out / f"small{number}"), check=True)
        return time.perf_counter() - began

    with ThreadPoolExecutor(SMALL) as pool:
        return statistics.median(pool.map(one, range(SMALL)))


if __name__ == "__main__":
    sys.exit(main())
