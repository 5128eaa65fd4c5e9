"""The transport's one thread: everything it has to do comes from sockets, timers and `post`."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from typing import Any

from coffeeshop.observability.logs import get_logger
from coffeeshop.transport.rabbitmq.connection import IOLoop

_log = get_logger()


class Loop:
    """An I/O loop in a thread of its own.

    All connections of a transport share it, so that callbacks are made one at a time and nothing
    in there needs a lock.
    """

    def __init__(self, name: str) -> None:
        self.io = IOLoop()
        self._calls: deque[Callable[[], None]] = deque()
        self._woken = False
        self._stopped = False
        self._ended = False
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    @property
    def inside(self) -> bool:
        """Whether the caller is the loop's thread."""
        return threading.current_thread() is self._thread

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def post(self, call: Callable[[], None]) -> bool:
        """Have the thread make a call, soon and in order; from any thread.

        Many calls cost one wake-up. False when the loop has ended: the call will not be made.
        """
        with self._lock:
            if self._ended:
                return False
            self._calls.append(call)
            if self._woken:
                return True
            self._woken = True
        self.io.add_callback_threadsafe(self._drain)
        return True

    def later(self, seconds: float, call: Callable[[], None]) -> Callable[[], None]:
        """Have a call made after a while; only from within. Returns how to call it off."""
        timer = self.io.call_later(seconds, lambda: guarded(call))
        return lambda: self.io.remove_timeout(timer)

    def stop(self) -> None:
        """End the loop; only from within. What is posted before this still gets done."""
        self._stopped = True
        self.io.stop()

    def join(self) -> None:
        """Wait for the thread to end."""
        self._thread.join()

    def _run(self) -> None:
        while not self._stopped:
            guarded(self.io.start)
        with self._lock:
            self._ended = True
        self._drain()
        self.io.close()

    def _drain(self) -> None:
        with self._lock:
            self._woken = False
            calls, self._calls = self._calls, deque()
        for call in calls:
            guarded(call)


def guarded(call: Callable[..., None], *args: Any) -> None:
    """Make a call whose failure must not end the thread that serves everybody else."""
    try:
        call(*args)
    except Exception:  # noqa: BLE001 - reported here; one caller's bug is not another's
        _log.exception("transport.call_failed")
