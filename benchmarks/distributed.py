"""The distributed system on one machine: whole `submit --gateway` runs beside DuckDB's.

Starts a private RabbitMQ, a gateway and two workers on loopback. Then ten small sessions at once,
alone and beside a large one.
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
from compare import commands as contenders
from compare import differences
from processes import SUBMIT, Measured, data_set, measure, read_once
from scaling import rows_of

from coffeeshop.testing.broker import PrivateBroker
from coffeeshop.testing.processes import Cluster

SMALL = 10


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
        PrivateBroker() as broker,
        Cluster(broker.url) as cluster,
    ):
        out = Path(directory)
        _, url = cluster.gateway()
        for _ in range(chosen.workers):
            cluster.start("worker")
        lines, wrong = whole_runs(folder, out, url, chosen.rounds)
        lines.append(small_sessions(folder, small, out, url))
        lines.append("resident MiB: " + memory(cluster, broker))
    print("\n".join(lines))
    for sentence in wrong:
        print(f"DIFFERENT: {sentence}")
    if not wrong:
        document.write(chosen.write, "distributed", lines)
    return 1 if wrong else 0


def submit(url: str, folder: Path, out: Path) -> list[str]:
    """The command of one client."""
    places = ["--data-folder", str(folder), "--output-dir", str(out)]
    return [*SUBMIT, "--gateway", url, *places]


def whole_runs(folder: Path, out: Path, url: str, rounds: int) -> tuple[list[str], list[str]]:
    """Both contenders' times in lines; the differences of their answers."""
    commands = {
        "distributed": submit(url, folder, out / "distributed"),
        "duckdb": contenders(folder, out)["duckdb"],
    }
    runs: dict[str, list[Measured]] = {name: [] for name in commands}
    for _ in range(rounds):
        for name, command in commands.items():
            runs[name].append(measure(command))
    median = {name: statistics.median(r.seconds for r in found) for name, found in runs.items()}
    rows = rows_of(folder)
    lines = [
        f"{name:<12}{seconds:>8.2f} s{rows / seconds:>14,.0f} rows/s"
        for name, seconds in median.items()
    ]
    ratio = median["distributed"] / median["duckdb"]
    lines.append(f"distributed / duckdb: {ratio:.2f} (target <= 1.0)")
    return lines, differences(out, list(commands))


def small_sessions(folder: Path, small: Path, out: Path, url: str) -> str:
    """The median time of ten small sessions at once, alone and beside a large one."""
    latencies(small, out, url)
    alone = latencies(small, out, url)
    large = subprocess.Popen(submit(url, folder, out / "large"))
    beside = latencies(small, out, url)
    still = large.poll() is None
    large.wait()
    return (
        f"{SMALL} small sessions at once: median {alone:.2f} s alone, {beside:.2f} s beside a large"
        f" one{'' if still else ' (which ended first)'}: {beside / alone:.1f} x (target <= 3)"
    )


def latencies(small: Path, out: Path, url: str) -> float:
    """The median seconds of the clients that run at once."""

    def one(number: int) -> float:
        began = time.perf_counter()
        subprocess.run(submit(url, small, out / f"small{number}"), check=True)
        return time.perf_counter() - began

    with ThreadPoolExecutor(SMALL) as pool:
        return statistics.median(pool.map(one, range(SMALL)))


def memory(cluster: Cluster, broker: PrivateBroker) -> str:
    """Resident memory of the processes, in words."""
    names = ["gateway", *(f"worker{n}" for n in range(1, len(cluster.processes))), "broker"]
    pids = [*(each.pid for each in cluster.processes), broker.pid]
    found = []
    for name, pid in zip(names, pids, strict=True):
        status = Path(f"/proc/{pid}/status").read_text()
        peak = next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM"))
        found.append(f"{name} {int(peak) // 1024}")
    return ", ".join(found)


if __name__ == "__main__":
    sys.exit(main())
