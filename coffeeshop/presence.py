"""Which processes are there: each says so on ``ctl.nodes`` every few seconds."""

from __future__ import annotations

import json
import os
import socket
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from coffeeshop.observability.logs import get_logger
from coffeeshop.transport import Delivery, JournalSubscription, Message, Outcome, Transport

log = get_logger()
NODES = "ctl.nodes"
NODES_BYTES = 4 << 20
PERIOD = 2.0
"""Seconds between two signs of life."""
HISTORY = 0.5
"""Seconds between two signs of life of one node that were not said long ago."""
REMEMBERED = 10_000
"""Nodes."""
MISSING = 10.0
"""Seconds of silence after which a node is no longer listed."""
SETTLING = 2 * PERIOD + 1.0
"""Seconds of listening after which it is known which nodes there are."""
LOOK = 0.5
EVERY_STAGE = frozenset(("worker", "all"))
"""Types of nodes that take the tasks of every stage."""


class Presence:
    """Says every few seconds that this process is there, from a thread of its own."""

    def __init__(
        self,
        transport: Transport,
        types: Sequence[str],
        status: Callable[[], dict[str, Any]],
        *,
        period: float = PERIOD,
    ) -> None:
        self.id = f"{socket.gethostname()}-{os.getpid()}-{uuid.uuid4().hex[:6]}"
        self._transport = transport
        self._types = list(types)
        self._status = status
        self._period = period
        self._started = time.time()
        self._under_way = False
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="presence", daemon=True)

    def start(self) -> None:
        """Begin. Blocks until the journal is there."""
        self._transport.declare_journal(NODES, max_bytes=NODES_BYTES)
        self._thread.start()

    def close(self) -> None:
        """Say goodbye."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()
            self._say(gone=True)

    def _run(self) -> None:
        self._say()
        while not self._stop.wait(self._period):
            self._say()

    def _say(self, *, gone: bool = False) -> None:
        if self._under_way and not gone:
            return  # the broker is away: one word waits already
        self._under_way = True
        word = {
            "id": self.id,
            "types": self._types,
            "host": socket.gethostname(),
            "pid": os.getpid(),
            "started_at": self._started,
            "at": time.time(),
            "gone": gone,
            **self._status(),
        }
        self._transport.append(NODES, Message({}, json.dumps(word).encode()), self._said)

    def _said(self, outcome: Outcome) -> None:
        self._under_way = False


@dataclass(frozen=True)
class _View:
    """What all nodes say, put together."""

    at: float
    types: frozenset[str] = frozenset()
    tasks: dict[str, Counter[str]] = field(default_factory=dict)
    """By session and stage."""
    is_whole: bool = True
    """Whether every node that works tells of all its sessions."""


def _view_of(words: list[dict[str, Any]], now: float) -> _View:
    tasks: dict[str, Counter[str]] = {}
    is_whole = True
    for word in words:
        match word.get("hosted"):
            case {"all": bool(is_all), "sessions": dict(sessions)}:
                is_whole &= is_all
                for name, stages in sessions.items():
                    tasks.setdefault(name, Counter()).update(stages)
            case _:  # a gateway, or a node of an older release
                is_whole &= word["types"] == ["gateway"]
    types = frozenset(kind for word in words for kind in word["types"])
    return _View(now, types, tasks, is_whole)


@dataclass
class NodeDirectory:
    """The nodes heard of lately. Thread-safe."""

    transport: Transport
    now: Callable[[], float] = time.monotonic
    wall: Callable[[], float] = time.time
    _heard: dict[str, tuple[float, dict[str, Any]]] = field(default_factory=dict)
    _spoke: dict[str, float] = field(default_factory=dict)
    """When each node was heard of last, be it history."""
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _following: JournalSubscription | None = None
    _began: float = float("inf")
    _view: _View = field(default_factory=lambda: _View(float("-inf")))

    def start(self) -> None:
        """Begin to listen. Blocks until the journal is there."""
        self._began = self.now()
        self.transport.declare_journal(NODES, max_bytes=NODES_BYTES)
        self._following = JournalSubscription(
            self.transport, NODES, self._deliver, lambda: None, window=64
        )

    def close(self) -> None:
        """Stop listening."""
        if self._following is not None:
            self._following.close()

    def all(self) -> list[dict[str, Any]]:
        """What each node last said of itself, with its silence in seconds."""
        now = self.now()
        with self._lock:
            for name, (heard, word) in list(self._heard.items()):
                if word["gone"] or now - heard > MISSING:
                    del self._heard[name]
            return [
                {**word, "silent_seconds": round(now - heard, 1)}
                for _, (heard, word) in sorted(self._heard.items())
            ]

    def unserved(self, stages: Sequence[str]) -> list[str]:
        """Those stages whose tasks no node takes; none until nodes had time to say so."""
        if self.now() - self._began < SETTLING:
            return []
        types = self._looked().types
        return [] if types & EVERY_STAGE else [stage for stage in stages if stage not in types]

    def tasks_of(self, session: str) -> dict[str, int] | None:
        """How many tasks of a session nodes work on, by stage; None where nodes do not tell."""
        view = self._looked()
        return dict(view.tasks.get(session, {})) if view.is_whole else None

    def _looked(self) -> _View:
        """What all nodes say, made anew at most every `LOOK` seconds: many ask."""
        now, view = self.now(), self._view
        if now - view.at > LOOK:
            self._view = view = _view_of(self.all(), now)
        return view

    def _deliver(self, delivery: Delivery) -> bool:
        try:
            word = json.loads(delivery.message.body)
            name, age = str(word["id"]), self.wall() - float(word["at"])
            word = {**word, "types": list(word["types"]), "gone": bool(word["gone"])}
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            log.warning("nodes.unreadable", offset=delivery.offset, reason=str(error))
            return True
        now = self.now()
        with self._lock:
            before = self._spoke.pop(name, now)
            self._spoke[name] = now
            if len(self._spoke) > REMEMBERED:
                del self._spoke[next(iter(self._spoke))]
            # Older words are history, which comes all at once; a minute allows for clocks that
            # disagree a little, and words that come one by one are new, whatever a clock says.
            if age < 60 or now - before > HISTORY:
                self._heard[name] = (now, word)
        self._view = _View(float("-inf"))
        return True
