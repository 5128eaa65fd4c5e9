"""What the faults have in common: passing on, counting, and calls in turn."""

from __future__ import annotations

import random
import threading
from collections import deque
from collections.abc import Callable

from coffeeshop.transport.base import (
    Consumer,
    Message,
    OnDelivery,
    OnGone,
    OnOutcome,
    OnQueueDelivery,
    Outcome,
    Reader,
    Transport,
)

NOWHERE = "testing.nowhere"
"""A journal and a queue that no test may declare: what is sent there is returned."""

Send = Callable[[str, Message, OnOutcome], None]
"""`Transport.append` or `Transport.publish`."""


class Forwarding:
    """Passes every call on: what the faults have in common. Thread-safe."""

    def __init__(self, inner: Transport, rng: random.Random) -> None:
        """``rng`` is used by this wrapper only, whatever thread calls."""
        self.inner = inner
        self.rng = rng
        self.lock = threading.Lock()
        self._injected = 0

    @property
    def injected(self) -> int:
        """How often the fault happened so far."""
        return self._injected

    def note(self, faults: int = 1) -> None:
        """Count faults."""
        with self.lock:
            self._injected += faults

    def declare_journal(self, name: str, max_bytes: int | None = None) -> None:
        self.inner.declare_journal(name, max_bytes)

    def delete_journal(self, name: str) -> None:
        self.inner.delete_journal(name)

    def append(self, name: str, message: Message, on_outcome: OnOutcome) -> None:
        self.inner.append(name, message, on_outcome)

    def read(
        self, name: str, offset: int, credit: int, on_delivery: OnDelivery, on_gone: OnGone
    ) -> Reader:
        return self.inner.read(name, offset, credit, on_delivery, on_gone)

    def exists(self, name: str) -> bool:
        return self.inner.exists(name)

    def declare_queue(self, name: str) -> None:
        self.inner.declare_queue(name)

    def delete_queue(self, name: str) -> None:
        self.inner.delete_queue(name)

    def publish(self, name: str, message: Message, on_outcome: OnOutcome) -> None:
        self.inner.publish(name, message, on_outcome)

    def consume(
        self, name: str, prefetch: int, on_delivery: OnQueueDelivery, on_gone: OnGone
    ) -> Consumer:
        return self.inner.consume(name, prefetch, on_delivery, on_gone)

    def close(self) -> None:
        self.inner.close()


def refuse(send: Send, on_outcome: OnOutcome, outcome: Outcome) -> None:
    """End a call in ``outcome`` with nothing stored, from the thread that outcomes come from."""
    send(NOWHERE, Message(), lambda _: on_outcome(outcome))


class SerialQueue:
    """Makes calls one at a time and in order, in the thread that puts or releases them."""

    def __init__(self, held: Callable[[], bool] = lambda: False) -> None:
        """While ``held()`` no call begins; `run` when that has changed."""
        self._held = held
        self._calls: deque[Callable[[], None]] = deque()
        self._lock = threading.Lock()
        self._busy = False

    def put(self, call: Callable[[], None]) -> None:
        """Make this call when its turn comes: now, or in the thread that makes calls now."""
        with self._lock:
            self._calls.append(call)
        self.run()

    def drop(self) -> None:
        """Forget the calls that wait."""
        with self._lock:
            self._calls.clear()

    def run(self) -> None:
        """Make the calls that wait, unless they are being made already."""
        while (call := self._next()) is not None:
            try:
                call()
            finally:
                self._busy = False

    def _next(self) -> Callable[[], None] | None:
        with self._lock:
            if self._busy or not self._calls or self._held():
                return None
            self._busy = True
            return self._calls.popleft()
