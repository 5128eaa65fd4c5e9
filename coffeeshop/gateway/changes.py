"""What event streams react to though no record says it, looked at once for all of them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager

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
