"""Journals of which the broker keeps nothing but the name: tried again, slowly, for ever."""

from __future__ import annotations

from collections.abc import Callable

import structlog

from coffeeshop.gateway.chronicle import Chronicle
from coffeeshop.gateway.ingest import deleted
from coffeeshop.transport import Transport

log = structlog.get_logger()
PERIOD = 60.0


class Mending:
    """Deletes what could not be deleted. Every replica does; twice is harmless."""

    def __init__(
        self, transport: Transport, chronicle: Chronicle, now: Callable[[], float]
    ) -> None:
        self._transport = transport
        self._chronicle = chronicle
        self._now = now
        self._next = float("-inf")

    @property
    def due(self) -> bool:
        """Whether there is something to try, and the last time is long ago."""
        return self._now() >= self._next and bool(self._chronicle.broken())

    def try_again(self) -> None:
        """Try each of them. Blocks, for most of a minute when a broker is stubborn."""
        try:
            for journal, session in self._chronicle.broken().items():
                self._try(journal, session)
        finally:
            self._next = self._now() + PERIOD

    def _try(self, journal: str, session: str) -> None:
        if not deleted(self._transport, journal):
            return
        log.info("journal.mended", session=session, journal=journal)
        self._chronicle.stored(self._chronicle.say("mended", session, journal=journal))
