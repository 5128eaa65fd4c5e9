"""What the broker may still hold of sessions that are removed: tried again, slowly, for ever."""

from __future__ import annotations

from collections.abc import Callable

from coffeeshop.sessions.chronicle import Chronicle
from coffeeshop.sessions.endings import Endings
from coffeeshop.sessions.registry import LONGEST_OPENING, Session

PERIOD = 60.0
PATIENCE = 120.0
"""Seconds that the replica has to whom a session belonged, before the others do it."""


class Mending:
    """Deletes what could not be deleted, and what was made too late. Twice is harmless.

    The first are journals of which the broker keeps nothing but the name. The second are journals
    of a session that was deleted while somebody was opening it who then died, or was cut off.
    """

    def __init__(self, endings: Endings, chronicle: Chronicle, now: Callable[[], float]) -> None:
        self._endings = endings
        self._chronicle = chronicle
        self._now = now
        self._next = float("-inf")

    @property
    def due(self) -> bool:
        """Whether there is something to try, and the last time is long ago."""
        if self._now() < self._next:
            return False
        return bool(self._chronicle.broken() or self._doubtful())

    def try_again(self) -> None:
        """Try each of them. Blocks, for most of a minute when a broker is stubborn."""
        try:
            while doubtful := self._doubtful():
                self._endings.expire(doubtful[0], settled=True)
            for journal, session_id in self._chronicle.broken().items():
                self._endings.mend(journal, session_id)
        finally:
            self._next = self._now() + PERIOD

    def _doubtful(self) -> list[Session]:
        return self._chronicle.doubtful(LONGEST_OPENING, PATIENCE)
