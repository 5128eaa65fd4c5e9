"""When sessions may be opened: not while a broker node of RabbitMQ 3.10.8 starts.

Such a node ends, or stays without its application, when it meets a stream that is being declared
just then (docs/support.md). Opening a session declares its journals.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager


class Openings:
    """Those under way, and whether others must wait. Thread-safe."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._under_way = 0
        self._holds = 0

    @contextmanager
    def one(self) -> Iterator[None]:
        """Open a session within this; waits as long as openings are held."""
        with self._changed:
            self._changed.wait_for(lambda: not self._holds)
            self._under_way += 1
        try:
            yield
        finally:
            with self._changed:
                self._under_way -= 1
                self._changed.notify_all()

    @contextmanager
    def held(self, patience: float) -> Iterator[None]:
        """No more begin within this, and those under way have ended, or had ``patience`` s."""
        with self._changed:
            self._holds += 1
            self._changed.wait_for(lambda: not self._under_way, patience)
        try:
            yield
        finally:
            with self._changed:
                self._holds -= 1
                self._changed.notify_all()
