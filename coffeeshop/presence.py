"""Which processes are there: each says so on ``ctl.nodes`` every few seconds."""

from __future__ import annotations

import json
import os
import socket
import threading
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from coffeeshop.logs import get_logger
from coffeeshop.transport import Delivery, Following, Message, Outcome, Transport

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


class Presence:
    """Says every few seconds that this process is there, from a thread of its own."""

    def __init__(
        self,
        transport: Transport,
        types: Sequence[str],
        figures: Callable[[], dict[str, Any]],
        *,
        period: float = PERIOD,
    ) -> None:
        self.id = f"{socket.gethostname()}-{os.getpid()}-{uuid.uuid4().hex[:6]}"
        self._transport = transport
        self._types = list(types)
        self._figures = figures
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
            **self._figures(),
        }
        self._transport.append(NODES, Message({}, json.dumps(word).encode()), self._said)

    def _said(self, outcome: Outcome) -> None:
        self._under_way = False


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
    _following: Following | None = None

    def start(self) -> None:
        """Begin to listen. Blocks until the journal is there."""
        self.transport.declare_journal(NODES, max_bytes=NODES_BYTES)
        self._following = Following(self.transport, NODES, self._deliver, lambda: None, window=64)

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
        return True
