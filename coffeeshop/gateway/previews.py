"""Previews of sessions that run: made when a client asks for them, and let go of afterwards.

Nothing is read for a session unless a client asks about it. Each question reads on for a bounded
time, so a preview of much data comes in steps, and a gateway makes two previews at once at most.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import pyarrow as pa

from coffeeshop.pipeline.messages import Record, SessionSpec
from coffeeshop.pipeline.preview import Preview
from coffeeshop.transport import Delivery, Reader, Transport

MOST = 2
"""Previews of one gateway at a time."""
READING = 2.0
"""Seconds for which one question reads on."""
QUIET = 0.3
"""Seconds without a record after which everything that is stored was read."""
UNUSED = 60.0
"""Seconds without a question after which a preview is dropped."""
UNDER_WAY = 8
"""Records that are fetched ahead, over all journals, but one of each at least."""


class TooManyPreviews(Exception):
    """Others are being made."""


@dataclass(frozen=True)
class SoFar:
    """What a preview tells. ``share``: see `Preview.share`; ``caught_up``: all that was stored was
    read."""

    rows: dict[str, int]
    share: float | None
    caught_up: bool
    tables: dict[str, pa.Table]


class _Reading:
    """One preview and its readers. Deliveries come from the transport's threads."""

    def __init__(self, transport: Transport, spec: SessionSpec, now: Callable[[], float]) -> None:
        self._preview = Preview(spec)
        self._now = now
        self._turn = threading.Lock()
        self._came = threading.Condition()
        self._waiting: deque[tuple[str, Delivery]] = deque()
        self._journals = self._preview.journals()
        self.asked_at = now()
        self._readers: dict[str, Reader] = {}
        credit = max(1, UNDER_WAY // len(self._journals))
        for journal in self._journals:
            self._readers[journal] = transport.read(
                journal, 0, credit, partial(self._delivered, journal), lambda: None
            )

    def look(self) -> SoFar:
        """Read on, and tell what is known. One caller at a time; the others wait."""
        with self._turn:
            self.asked_at = self._now()
            end, caught_up = self._now() + READING, False
            while self._now() < end:
                found = self._next()
                if found is None:
                    caught_up = True
                    break
                self._feed(*found)
            told = self._preview.tables()
            self.asked_at = self._now()
            return SoFar(dict(self._preview.rows), self._preview.share, caught_up, told)

    def close(self) -> None:
        """Read no more."""
        for reader in self._readers.values():
            reader.close()

    def _delivered(self, journal: str, delivery: Delivery) -> None:
        with self._came:
            self._waiting.append((journal, delivery))
            self._came.notify()

    def _next(self) -> tuple[str, Delivery] | None:
        with self._came:
            self._came.wait_for(lambda: bool(self._waiting), QUIET)
            return self._waiting.popleft() if self._waiting else None

    def _feed(self, journal: str, delivery: Delivery) -> None:
        record = Record.of(delivery.message)
        if record.stream in self._journals[journal]:
            self._preview.feed(record)
        self._readers[journal].credit(1)


class Previews:
    """The previews of one gateway. Thread-safe."""

    def __init__(self, transport: Transport, now: Callable[[], float] = time.monotonic) -> None:
        self._transport = transport
        self._now = now
        self._lock = threading.Lock()
        self._readings: dict[str, _Reading] = {}

    def look(self, spec: SessionSpec) -> SoFar:
        """What is known of a session so far. Blocks for seconds; raises `TooManyPreviews`, and
        `CodecError` for a batch that is none."""
        with self._lock:
            reading = self._readings.get(spec.id)
            if reading is None:
                self._drop(self._unused())
                if len(self._readings) >= MOST:
                    raise TooManyPreviews
                reading = self._readings[spec.id] = _Reading(self._transport, spec, self._now)
        return reading.look()

    def drop_unused(self) -> None:
        """Let go of what no client asks for any more."""
        with self._lock:
            self._drop(self._unused())

    def forget(self, session: str) -> None:
        """A session has ended."""
        with self._lock:
            self._drop([session])

    def close(self) -> None:
        """Let go of all of them."""
        with self._lock:
            self._drop(list(self._readings))

    def _unused(self) -> list[str]:
        limit = self._now() - UNUSED
        return [name for name, each in self._readings.items() if each.asked_at < limit]

    def _drop(self, sessions: Sequence[str]) -> None:
        for session in sessions:
            reading = self._readings.pop(session, None)
            if reading is not None:
                reading.close()
