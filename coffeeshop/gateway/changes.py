"""What requests wait for: events of a session, and changes that no event tells."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TypeVar

_Found = TypeVar("_Found")
LOOK = 0.5
"""Seconds between two looks, while there are subscribers."""


class Changes:
    """Wakes its subscribers when something changed. Belongs to the event loop's thread."""

    def __init__(self, look: Callable[[], object]) -> None:
        """``look`` gives a value that differs from the last one when something changed."""
        self._look = look
        self._subscribers: list[Callable[[], None]] = []
        self._looking: asyncio.Task[None] | None = None

    @contextmanager
    def subscribed(self, wake: Callable[[], None]) -> Iterator[None]:
        """Have ``wake`` called after each change, while inside."""
        self._subscribers.append(wake)
        if self._looking is None:
            self._looking = asyncio.get_running_loop().create_task(self._keep_looking(self._look()))
        try:
            yield
        finally:
            self._subscribers.remove(wake)
            if not self._subscribers and self._looking is not None:
                self._looking.cancel()
                self._looking = None

    async def _keep_looking(self, before: object) -> None:
        while True:
            await asyncio.sleep(LOOK)
            now = self._look()
            if now != before:
                before = now
                for wake in list(self._subscribers):
                    wake()


class SessionNews:
    """Lets requests wait for events of a session, without a thread and without asking again."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: dict[str, list[tuple[asyncio.AbstractEventLoop, asyncio.Event]]] = {}

    def tell(self, session: str) -> None:
        """An event of that session was taken in. From any thread."""
        with self._lock:
            waiting = list(self._waiting.get(session, ()))
        for loop, event in waiting:
            with suppress(RuntimeError):  # the loop was closed
                loop.call_soon_threadsafe(event.set)

    async def wait_for(
        self, session: str, find: Callable[[], _Found | None], timeout: float
    ) -> _Found | None:
        """What ``find`` gives as soon as it is not None; None after ``timeout`` seconds.

        It is asked at once, and after each event of the session.
        """
        event = asyncio.Event()
        entry = (asyncio.get_running_loop(), event)
        with self._lock:
            self._waiting.setdefault(session, []).append(entry)
        try:
            async with asyncio.timeout(timeout):
                while (found := find()) is None:
                    await event.wait()
                    event.clear()
                return found
        except TimeoutError:
            return None
        finally:
            with self._lock:
                self._waiting[session].remove(entry)
                if not self._waiting[session]:
                    del self._waiting[session]
