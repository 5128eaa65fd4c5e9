"""Runs a command and measures its whole tree: ``process_tree.py REPORT SECONDS MIB -- COMMAND``.

A small process of its own, so that nothing of the benchmark counts and no tree of processes is
left behind. On Linux it adopts every orphan of the tree and looks at all of it ten times a
second; elsewhere it knows only of the command's own process. `processes.measure` starts it.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import resource
import select
import signal
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path

LINUX = sys.platform == "linux"
INTERVAL = 0.1
"""Seconds between two looks at the tree."""
GRACE = 10.0
"""Seconds that the rest of a tree has to end once its first process has."""
_SUBREAPER = 36  # PR_SET_CHILD_SUBREAPER
_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")


@dataclass
class Tree:
    """What a command and all that it started took."""

    code: int | None = None
    """The command's exit code; None if it was killed for the time or the memory it took."""
    seconds: float = 0.0
    """From its start to its end."""
    processor_seconds: float = 0.0
    """User and system time of all processes."""
    peak_mib: float = 0.0
    """Memory: of one process its largest resident size, of several the sum of their shares."""
    exceeded: str = ""
    """Which limit it was killed for: ``seconds``, ``MiB`` or none."""


class Watch:
    """The processes below this one, as ``/proc`` shows them."""

    def __init__(self) -> None:
        self._parents: dict[int, int] = {}
        self._used: dict[tuple[int, str], int] = {}  # (process, its start): ticks
        self.peak_mib = 0.0

    def look(self) -> tuple[list[int], float]:
        """Who is there, and the MiB they have now; remembers processor time and peak."""
        running = {int(name) for name in os.listdir("/proc") if name.isdigit()}
        for gone in self._parents.keys() - running:
            del self._parents[gone]
        # Read once, and anew when the parent is gone: an orphan is ours.
        known = {pid for pid, parent in self._parents.items() if parent in running}
        for pid in running - known:
            with contextlib.suppress(OSError):
                self._parents[pid] = int(_stat(pid)[1])
        members = self._members()
        for pid in members:
            with contextlib.suppress(OSError):
                stat = _stat(pid)
                self._used[pid, stat[19]] = int(stat[11]) + int(stat[12])
        mib = sum(_shares(pid) for pid in members) if len(members) > 1 else 0.0
        self.peak_mib = max(self.peak_mib, mib)
        return members, mib or sum(_resident(pid) for pid in members)

    def processor_seconds(self) -> float:
        """What all processes ever seen had used when they were last seen."""
        return sum(self._used.values()) / _TICKS

    def _members(self) -> list[int]:
        mine, found = {os.getpid()}, []
        pending = dict(self._parents)
        while True:
            more = [pid for pid, parent in pending.items() if parent in mine]
            if not more:
                return found
            for pid in more:
                del pending[pid]
            mine.update(more)
            found += more


def _stat(pid: int) -> list[str]:
    """The fields of ``/proc/PID/stat`` from the state on."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


def _resident(pid: int) -> float:
    with contextlib.suppress(OSError):
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE / 2**20
    return 0.0


def _shares(pid: int) -> float:
    """Its memory, what it shares with others divided among them."""
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) / 1024
    return 0.0


def run(command: list[str], seconds: float, mib: float) -> Tree:
    """Run the command within these limits."""
    tree = Tree()
    if LINUX:
        ctypes.CDLL(None, use_errno=True).prctl(_SUBREAPER, 1, 0, 0, 0)
    began = time.perf_counter()
    process = subprocess.Popen(command)
    watch = Watch()
    if LINUX:
        tree.exceeded = _wait(process, watch, began + seconds, mib)
    else:
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(seconds)
        tree.exceeded = "" if process.poll() is not None else "seconds"
    tree.seconds = time.perf_counter() - began
    if tree.exceeded:
        process.kill()
    code = process.wait()
    tree.code = None if tree.exceeded else code
    if LINUX:
        _end_orphans(watch, 0.0 if tree.exceeded else GRACE)
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    # A parent that ignores its children's ends loses their time; what was seen of it is known.
    tree.processor_seconds = max(used.ru_utime + used.ru_stime, watch.processor_seconds())
    unit = 1024 if LINUX else 1  # ru_maxrss
    tree.peak_mib = max(used.ru_maxrss * unit / 2**20, watch.peak_mib)
    return tree


def _wait(process: subprocess.Popen[bytes], watch: Watch, deadline: float, mib: float) -> str:
    """Until its end, or a limit: which one."""
    ended = select.poll()
    descriptor = os.pidfd_open(process.pid)
    ended.register(descriptor, select.POLLIN)
    try:
        while not ended.poll(INTERVAL * 1e3):
            _, now = watch.look()
            if now > mib:
                return "MiB"
            if time.perf_counter() > deadline:
                return "seconds"
    finally:
        os.close(descriptor)
    return ""


def _end_orphans(watch: Watch, grace: float) -> None:
    """Wait for what the command left behind, all of it ours now; kill it after a while."""
    deadline = time.perf_counter() + grace
    while True:
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        members, _ = watch.look()
        if not members:
            return
        if time.perf_counter() > deadline:
            for pid in members:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        time.sleep(INTERVAL / 2)


def main() -> None:
    """Run it and write the report, a JSON file."""
    report, seconds, mib, _, *command = sys.argv[1:]
    tree = run(command, float(seconds), float(mib))
    Path(report).write_text(json.dumps(asdict(tree)))


if __name__ == "__main__":
    main()
