"""Actors on few threads: a dispatcher runs those that have something to do.

An actor with an empty mailbox takes memory and no thread, so a process hosts thousands of them. An
actor runs in one thread at a time, message by message, as pykka's own actors do; which thread that
is changes from turn to turn.

A thread that the system refuses is overload: the threads that exist run the actors, more slowly,
and the dispatcher asks for another thread later. No actor fails of it.
"""

from __future__ import annotations

import random
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

from coffeeshop.bounds import ACTOR_THREADS, MOST_ACTOR_THREADS
from coffeeshop.clock import Backoff, Clock
from coffeeshop.observability.logs import get_logger

log = get_logger()
IDLE_TIMEOUT = 10.0
"""Seconds after which a thread without work ends; the last one stays."""
STALL = 1.0
"""Seconds that a runnable actor waits for a thread before there is one more than the usual."""
REFUSED = Backoff(first=0.5, most=30.0)
"""Before a refused thread is asked for again."""

Turn = Callable[[], object]
"""Handles some messages of one actor. It must not raise; what it returns means nothing here."""


class Dispatcher(Protocol):
    """Runs turns of actors."""

    def submit(self, turn: Turn) -> None:
        """Run the turn soon, in whatever thread. From any thread; never blocks."""
        ...


@dataclass(frozen=True)
class DispatcherStatus:
    """What a dispatcher does at the moment."""

    threads: int
    waiting: int
    """Actors that have messages and no thread yet."""
    refused: int
    """Threads that the system refused to start, so far."""


def _start(run: Callable[[], None], name: str) -> None:
    threading.Thread(target=run, name=name, daemon=True).start()


class ThreadDispatcher:
    """A pool of threads that grows with the work and shrinks without it. Thread-safe."""

    def __init__(
        self,
        clock: Clock,
        *,
        name: str = "actors",
        threads: int = ACTOR_THREADS,
        most: int = MOST_ACTOR_THREADS,
        idle_timeout: float = IDLE_TIMEOUT,
        start: Callable[[Callable[[], None], str], None] = _start,
    ) -> None:
        """``start`` starts a thread, and raises `RuntimeError` when the system refuses it."""
        self._clock = clock
        self._name = name
        self._normal = threads
        self._fewer: list[int] = []
        self._standing_in = 0  # threads beyond the limit, for those whose actors do not come back
        self._most = max(threads, most)
        self._idle_timeout = idle_timeout
        self._start = start
        self._changed = threading.Condition()
        self._ready: deque[tuple[float, Turn]] = deque()
        self._threads = 0
        self._idle = 0
        self._refusals = 0
        self._refused_in_a_row = 0
        self._watching = False
        self._is_open = True
        self._grow()

    def submit(self, turn: Turn) -> None:
        """Run the turn when there is a thread for it; after `close` it is dropped."""
        with self._changed:
            if not self._is_open:
                return
            self._ready.append((self._clock.now(), turn))
            self._changed.notify()
            is_short = len(self._ready) > self._idle
        if is_short:
            self._grow()

    @contextmanager
    def fewer_threads(self, threads: int) -> Iterator[None]:
        """Within it at most so many threads run actors: others need the processors meanwhile.

        Threads that wait for the interpreter's lock run no actor earlier, and hand the lock over
        thousands of times. From any thread, several at once.
        """
        with self._changed:
            self._fewer.append(threads)
        try:
            yield
        finally:
            with self._changed:
                self._fewer.remove(threads)
                waiting = len(self._ready) - self._idle
            for _ in range(waiting):
                self._grow()

    def status(self) -> DispatcherStatus:
        """What it does at the moment."""
        with self._changed:
            return DispatcherStatus(self._threads, len(self._ready), self._refusals)

    def close(self) -> None:
        """Run nothing more; threads end after the turn they are at. Does not wait for them."""
        with self._changed:
            self._is_open = False
            self._ready.clear()
            self._changed.notify_all()

    @property
    def _limit(self) -> int:
        return min(self._most, min([self._normal, *self._fewer]) + self._standing_in)

    def _grow(self, *, stalls: bool = False) -> None:
        """Start a thread if there may be one more; else see to it later."""
        with self._changed:
            self._standing_in += stalls
            may = self._threads < self._limit
            if may and self._is_open and not self._refused_in_a_row:
                self._threads += 1
            else:
                may = False
                self._watch()
        if may:
            self._start_thread()

    def _start_thread(self) -> None:
        """Start the thread that was counted already."""
        try:
            self._start(self._run, self._name)
        except RuntimeError as error:  # "can't start new thread": a limit of the system
            with self._changed:
                self._threads -= 1
                self._refusals += 1
                self._refused_in_a_row += 1
                delay = REFUSED.delay(self._refused_in_a_row, random.random)
                threads, waiting = self._threads, len(self._ready)
            log.warning(
                "dispatcher.thread_refused",
                reason=str(error),
                threads=threads,
                waiting=waiting,
                retry_in=round(delay, 1),
            )
            self._clock.call_later(delay, self._ask_again)
        else:
            with self._changed:
                self._refused_in_a_row = 0

    def _ask_again(self) -> None:
        with self._changed:
            needed = self._is_open and (len(self._ready) > self._idle or not self._threads)
            if needed:
                self._threads += 1
            else:
                self._refused_in_a_row = 0
        if needed:
            self._start_thread()

    def _watch(self) -> None:
        """Look in a while whether the actors that wait still wait. Called with the lock."""
        if self._ready and self._is_open and not self._watching:
            self._watching = True
            self._clock.call_later(STALL, self._look)

    def _look(self) -> None:
        with self._changed:
            self._watching = False
            stalls = bool(self._ready) and self._clock.now() - self._ready[0][0] >= STALL
            self._watch()
        if stalls:
            self._grow(stalls=True)

    def _run(self) -> None:
        while (turn := self._next()) is not None:
            turn()

    def _next(self) -> Turn | None:
        with self._changed:
            if self._threads > self._limit:
                self._threads -= 1
                return None
            self._idle += 1
            try:
                while self._is_open:
                    if self._ready:
                        return self._ready.popleft()[1]
                    heard = self._changed.wait(self._idle_timeout)
                    if not heard and not self._ready and self._threads > 1:
                        break
            finally:
                self._idle -= 1
            self._threads -= 1
            self._standing_in = max(0, self._standing_in - 1)
            return None
