"""The mailbox of an actor that a dispatcher runs."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from enum import Enum
from typing import Any

from coffeeshop.actors.dispatcher import Dispatcher

TURN = 16
"""Messages that an actor handles before it is the others' turn."""
LOOK_AGAIN = 0.02
"""Seconds until a thread that waits for an actor sees whether it may run it itself."""


class Paused(Exception):
    """The turn is over: the mailbox is empty, or others wait for the thread."""


class _State(Enum):
    IDLE = "idle"
    """Nothing to do."""
    QUEUED = "queued"
    """The dispatcher knows; the first free thread runs it."""
    RUNNING = "running"
    """One thread runs it."""
    ENDED = "ended"
    """It runs never again."""


class Mailbox:
    """pykka's inbox, and when its actor runs. Thread-safe."""

    def __init__(self, dispatcher: Dispatcher, turn: Callable[[], bool]) -> None:
        """``turn`` handles messages with `get` until that raises `Paused`; false when it was the
        actor's last turn. It is called by one thread at a time."""
        self._dispatcher = dispatcher
        self._turn = turn
        self._lock = threading.Lock()
        self._envelopes: deque[Any] = deque()
        self._state = _State.RUNNING  # until `start`
        self._left = 0

    def start(self) -> None:
        """From now on its actor runs."""
        with self._lock:
            self._state = _State.QUEUED
        self._dispatcher.submit(self._run)

    def put(self, envelope: Any, /) -> None:
        """Add a message."""
        with self._lock:
            if self._state is _State.ENDED:
                return
            self._envelopes.append(envelope)
            wakes = self._state is _State.IDLE
            if wakes:
                self._state = _State.QUEUED
        if wakes:
            self._dispatcher.submit(self._run)

    def get(self) -> Any:
        """The next message of this turn; raises `Paused` at its end. For the actor only."""
        with self._lock:
            if not self._left or not self._envelopes:
                raise Paused
            self._left -= 1
            return self._envelopes.popleft()

    def lift_limit(self) -> None:
        """Let this turn handle all that waits. For the actor only, at its end."""
        with self._lock:
            self._left = len(self._envelopes)
            self._state = _State.ENDED  # nothing is added any more

    def empty(self) -> bool:
        """Whether no message waits."""
        return not self._envelopes

    def qsize(self) -> int:
        """How many messages wait."""
        return len(self._envelopes)

    def run_until(self, ended: threading.Event, timeout: float) -> bool:
        """Wait that long for ``ended``, which the actor sets; whether it was set.

        The waiting thread runs the actor itself: were it to wait for another thread of the
        dispatcher, all of them might wait for each other.
        """
        deadline = time.monotonic() + timeout
        while not ended.is_set():
            if not self._run() and not ended.wait(LOOK_AGAIN) and time.monotonic() > deadline:
                return False
        return True

    def _run(self) -> bool:
        """Run one turn, unless there is none or another thread took it."""
        with self._lock:
            if self._state is not _State.QUEUED:
                return False
            self._state = _State.RUNNING
            self._left = TURN
        goes_on = self._turn()
        with self._lock:
            if not goes_on:
                self._state = _State.ENDED
                self._envelopes.clear()
            else:
                self._state = _State.QUEUED if self._envelopes else _State.IDLE
            again = self._state is _State.QUEUED
        if again:
            self._dispatcher.submit(self._run)
        return True
