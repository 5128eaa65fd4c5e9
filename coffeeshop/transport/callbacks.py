"""A thread that makes callbacks, one at a time and in the order they were asked for."""

from __future__ import annotations

import threading
from collections.abc import Callable
from queue import SimpleQueue

TURN = 16
"""Calls about one journal's reader or about one queue before it is the others' turn."""


class CallbackThread:
    """Every method may be called from any thread, also with locks held: none of them waits for a
    call, save `join`."""

    def __init__(self, name: str) -> None:
        self._calls: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._lock = threading.Lock()
        self._awaited: set[tuple[Callable[[str], None], str]] = set()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def submit(self, call: Callable[[], None]) -> None:
        """Make this call; it must not raise. After `end` it is dropped."""
        self._calls.put(call)

    def wake(self, look_after: Callable[[str], None], name: str) -> None:
        """Make the call ``look_after(name)``. One call serves everybody who asked before it."""
        with self._lock:
            if (look_after, name) not in self._awaited:
                self._awaited.add((look_after, name))
                self._calls.put(lambda: self._look_after(look_after, name))

    def end(self) -> None:
        """Make the calls asked for so far, and none after them."""
        self._calls.put(None)

    def join(self) -> None:
        """After `end`: wait for the last call, unless this is a call of the thread itself."""
        if threading.current_thread() is not self._thread:
            self._thread.join()

    def _look_after(self, look_after: Callable[[str], None], name: str) -> None:
        with self._lock:
            self._awaited.discard((look_after, name))
        look_after(name)

    def _run(self) -> None:
        while (call := self._calls.get()) is not None:
            call()
