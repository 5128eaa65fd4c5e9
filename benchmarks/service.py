"""A broker, a gateway and workers on this machine, and what their processes take. Linux."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from coffeeshop.testing.broker import PrivateBroker
from coffeeshop.testing.processes import Cluster

_TICKS = os.sysconf("SC_CLK_TCK")
_OTHERS = {"epmd"}
"""A broker's port mapper works for every broker of a machine."""


@dataclass(frozen=True)
class Service:
    """What clients talk to."""

    url: str
    """The gateway's."""
    processes: dict[str, list[int]]
    """Process ids by what they are: gateway, workers, broker."""

    def processor_seconds(self) -> dict[str, float]:
        """User and system time so far, of the processes and all that they started."""
        children = _children()
        return {
            name: sum(_seconds(pid, children) for pid in pids)
            for name, pids in self.processes.items()
        }

    def peak_mib(self) -> str:
        """The largest resident memory of each process, in words."""
        found = []
        for name, pids in self.processes.items():
            peaks = [str(_peak_kib(pid) // 1024) for pid in pids]
            found.append(f"{name} {' and '.join(peaks)}")
        return ", ".join(found)


@contextmanager
def running(workers: int) -> Iterator[Service]:
    """Start a private broker, a gateway and so many workers on loopback; end them."""
    with PrivateBroker() as broker, Cluster(broker.url) as cluster:
        gateway, url = cluster.gateway()
        pids = [cluster.start("worker").pid for _ in range(workers)]
        yield Service(url, {"gateway": [gateway.pid], "workers": pids, "broker": [broker.pid]})


def since(before: dict[str, float], after: dict[str, float]) -> dict[str, float]:
    """What was used between two moments."""
    return {name: after[name] - before[name] for name in after}


def per_million(used: dict[str, float], rows: int) -> str:
    """Processor seconds per million rows, each and all, in words."""
    each = {name: seconds / rows * 1e6 for name, seconds in used.items()}
    words = ", ".join(f"{name} {seconds:.3f}" for name, seconds in each.items())
    return f"{words}: {sum(each.values()):.3f} in all"


def _seconds(pid: int, children: dict[int, list[int]]) -> float:
    """Of a process, its ended children, and its living ones as far down as they go."""
    below = sum(_seconds(child, children) for child in children.get(pid, []))
    with suppress(OSError):
        stat = Path(f"/proc/{pid}/stat").read_text()
        name = stat[stat.index("(") + 1 : stat.rindex(")")]
        if name not in _OTHERS:
            below += sum(map(int, stat.rpartition(")")[2].split()[11:15])) / _TICKS
    return below


def _children() -> dict[int, list[int]]:
    found: dict[int, list[int]] = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            with suppress(OSError):
                stat = Path(f"/proc/{entry}/stat").read_text()
                found.setdefault(int(stat.rpartition(")")[2].split()[1]), []).append(int(entry))
    return found


def _peak_kib(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in status if line.startswith("VmHWM"))
