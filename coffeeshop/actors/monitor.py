"""What all tasks of a node share to find the one that kills or blocks it."""

from __future__ import annotations

import math
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from coffeeshop.pipeline.messages import TaskId


class Turnstile:
    """One at a time, in the order of asking. Thread-safe.

    Careful tasks feed in turn: when the process dies exactly one of them has named a record that it
    did not survive, and no innocent one is blamed.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: deque[tuple[object, Callable[[], None]]] = deque()

    def ask(self, who: object, on_turn: Callable[[], None]) -> None:
        """``on_turn`` is called when it is their turn, which may be now, until `give_back`."""
        with self._lock:
            self._waiting.append((who, on_turn))
            first = len(self._waiting) == 1
        if first:
            on_turn()

    def give_back(self, who: object) -> None:
        """Their turn is over; or they no longer want one. Harmless for others."""
        with self._lock:
            had = bool(self._waiting) and self._waiting[0][0] is who
            self._waiting = deque(each for each in self._waiting if each[0] is not who)
            following = self._waiting[0][1] if had and self._waiting else None
        if following is not None:
            following()


@dataclass(frozen=True)
class Taken:
    """Of one stage: records and the bytes of their bodies, replayed ones included."""

    records: int = 0
    bytes: int = 0
    requests: int = 0
    """For what is missing: see `coffeeshop.pipeline.repair`."""


class Throughput:
    """What the tasks of a node took from their journals, by stage. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._taken: dict[str, Taken] = {}

    def took(self, stage: str, size: int) -> None:
        """One record more."""
        with self._lock:
            before = self._taken.get(stage, Taken())
            self._taken[stage] = replace(
                before, records=before.records + 1, bytes=before.bytes + size
            )

    def asked(self, stage: str, requests: int) -> None:
        """So many requests more."""
        with self._lock:
            before = self._taken.get(stage, Taken())
            self._taken[stage] = replace(before, requests=before.requests + requests)

    def taken(self) -> dict[str, Taken]:
        """What each stage took so far."""
        with self._lock:
            return dict(self._taken)


@dataclass(frozen=True)
class Hanging:
    """A task that has been at one record for too long."""

    task: TaskId
    record: str
    seconds: float


@dataclass
class TaskMonitor:
    """One per node. ``claims``: whether attempts claim their task.

    See `coffeeshop.pipeline.poison`.
    """

    claims: bool = False
    repair_after: float = math.inf
    """Seconds without anything new after which a task looks for gaps in its journal; else never."""
    turnstile: Turnstile = field(default_factory=Turnstile)
    throughput: Throughput = field(default_factory=Throughput)
    _in_progress: dict[object, tuple[TaskId, str, float]] = field(default_factory=dict)
    """By attempt: an attempt that ends may do so while the next one of its task is at work."""

    def begins(self, attempt: object, task: TaskId, record: str, now: float) -> None:
        """An attempt of a task is at a record from ``now`` on."""
        self._in_progress[attempt] = task, record, now

    def ends(self, attempt: object) -> None:
        """The attempt is at no record any more. Harmless if it was at none."""
        self._in_progress.pop(attempt, None)

    def at_work(self, now: float) -> dict[TaskId, tuple[str, float]]:
        """What each task is at, and for how many seconds."""
        return {
            task: (record, now - since) for task, record, since in self._in_progress.copy().values()
        }

    def hanging(self, now: float, longest: float) -> list[Hanging]:
        """The tasks that have been at one record for more than ``longest`` seconds."""
        return [
            Hanging(task, record, now - since)
            for task, record, since in self._in_progress.copy().values()
            if now - since > longest
        ]
