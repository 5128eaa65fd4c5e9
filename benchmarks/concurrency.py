"""Many sessions at once: rows per second of all, and seconds until each has its answer.

Starts a private RabbitMQ, a gateway and workers on loopback, and as many client processes as there
are processors. Their threads are clients of the library, each with a session of its own; they are
started before the clock is. The sessions take turns with four data sets, and every answer is
compared byte by byte with that of its set, computed in one process and by DuckDB. Linux.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median, quantiles

import document
from answers import FILES, differences
from contenders import command, packages, submit
from processes import data_set, measure, measure_ours, read_once, rows_of
from service import per_million, running, since

SEEDS = (1, 2, 3, 4)


def main() -> int:
    """Measure, compare, print; 1 if an answer is wrong or missing."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--transactions", type=int, default=200_000, help="of each session")
    options.add_argument("--sessions", type=int, nargs="+", default=[1, 4, 16, 100])
    options.add_argument("--workers", type=int, default=2)
    document.add_option(options)
    chosen = options.parse_args()
    folders = [data_set(Path(".data"), chosen.transactions, seed) for seed in SEEDS]
    for folder in folders:
        read_once(folder)
    heads = ("wall s", "rows/s", "median s", "95th %", "right", "CPU s per million rows")
    lines = [f"{'sessions':>8}" + "".join(f"{head:>11}" for head in heads[:-1]) + f"  {heads[-1]}"]
    complaints: list[str] = []
    with tempfile.TemporaryDirectory(prefix="coffeeshop-bench-") as directory:
        out = Path(directory)
        complaints += expected(folders, out)
        rows = [rows_of(folder) for folder in folders]
        with running(chosen.workers) as service:
            load = Load(service.url, folders, out)
            load.run(len(SEEDS))  # programs into memory, connections made
            for sessions in chosen.sessions:
                before = service.processor_seconds()
                wall, seconds, clients = load.run(sessions)
                used = {"clients": clients, **since(before, service.processor_seconds())}
                wrong = load.wrong(sessions)
                complaints += wrong
                total = sum(rows[number % len(rows)] for number in range(sessions))
                lines.append(
                    f"{sessions:>8}{wall:>11.2f}{total / wall:>11,.0f}{median(seconds):>11.2f}"
                    f"{percentile95(seconds):>11.2f}{sessions - len(wrong):>11}"
                    f"  {per_million(used, total)}"
                )
            lines.append(f"peak MiB: {service.peak_mib()}")
    print("\n".join(lines))
    for sentence in complaints:
        print(f"WRONG: {sentence}")
    if not complaints:
        document.write(chosen.write, "concurrency", lines, packages(["duckdb"]))
    return 1 if complaints else 0


def expected(folders: list[Path], out: Path) -> list[str]:
    """Compute each set's right answers; how DuckDB's differ from ours."""
    found = []
    for number, folder in enumerate(folders):
        ours, theirs = out / f"right{number}", out / f"duckdb{number}"
        measure_ours(submit(folder, ours))
        measure(command("duckdb", folder, theirs))
        found += differences(ours, theirs)
    return found


def percentile95(seconds: list[float]) -> float:
    """The time within which 95 of 100 sessions had their answer."""
    if len(seconds) == 1:
        return seconds[0]
    return quantiles(seconds, n=20, method="inclusive")[-1]


class Load:
    """Client processes that run sessions."""

    def __init__(self, url: str, folders: list[Path], out: Path) -> None:
        """``out``: has the right answers as ``right0`` ..., and gets those of the sessions."""
        self._url = url
        self._folders = folders
        self._out = out

    def run(self, sessions: int) -> tuple[float, list[float], float]:
        """Run so many at once.

        The seconds of all, the seconds of each, and the clients' processor seconds.
        """
        count = min(sessions, os.cpu_count() or 1)
        shares = [list(range(number, sessions, count)) for number in range(count)]
        clients = [self._start(share) for share in shares]
        for client in clients:
            assert client.stdout is not None
            client.stdout.readline()  # it is ready
        began = time.monotonic()  # the same clock in every process
        for client in clients:
            assert client.stdin is not None
            client.stdin.write("go\n")
            client.stdin.flush()
        said = [json.loads(client.communicate()[0]) for client in clients]
        wall = max(each["ended"] for each in said) - began
        return wall, [s for each in said for s in each["seconds"]], sum(e["cpu"] for e in said)

    def _start(self, numbers: list[int]) -> subprocess.Popen[str]:
        work = [
            [str(self._folders[n % len(self._folders)]), str(self._out / f"session{n}")]
            for n in numbers
        ]
        return subprocess.Popen(
            [sys.executable, __file__, CLIENT, self._url, json.dumps(work)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def wrong(self, sessions: int) -> list[str]:
        """A sentence for each session whose answer is not byte-equal to the right one; forgets."""
        found = []
        for number in range(sessions):
            mine = self._out / f"session{number}"
            right = self._out / f"right{number % len(self._folders)}"
            files = [f"{name}.csv" for name in FILES]
            if not all(_same(mine / name, right / name) for name in files):
                found.append(f"session {number + 1} of {sessions}")
            for name in files:
                (mine / name).unlink(missing_ok=True)
        return found


def _same(mine: Path, right: Path) -> bool:
    return mine.exists() and mine.read_bytes() == right.read_bytes()


CLIENT = "--as-client"
"""How this module calls itself: a process with a thread for each session."""


def client(url: str, work: list[tuple[str, str]]) -> None:
    """Say that it is ready, wait for a line, run the sessions, print what they took."""
    from coffeeshop import Client

    start = threading.Barrier(len(work) + 1)

    def one(folder: str, out: str) -> float:
        with Client(url) as library:
            start.wait()
            began = time.perf_counter()
            library.submit(folder).write(out)
            return time.perf_counter() - began

    with ThreadPoolExecutor(len(work)) as pool:
        running_ones = [pool.submit(one, folder, out) for folder, out in work]
        print("ready", flush=True)
        sys.stdin.readline()
        before = time.process_time()
        start.wait()
        seconds = [each.result() for each in running_ones]
        ended = time.monotonic()
    cpu = time.process_time() - before
    print(json.dumps({"seconds": seconds, "ended": ended, "cpu": cpu}))


if __name__ == "__main__":
    if sys.argv[1:2] == [CLIENT]:
        client(sys.argv[2], json.loads(sys.argv[3]))
    else:
        sys.exit(main())
