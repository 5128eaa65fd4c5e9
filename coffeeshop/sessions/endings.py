"""What is written, and what is deleted, when a session ends, is released and expires."""

from __future__ import annotations

from typing import Any

from coffeeshop.crashpoints import crash_point
from coffeeshop.observability.logs import get_logger
from coffeeshop.sessions.chronicle import Chronicle
from coffeeshop.sessions.facts import FactKind
from coffeeshop.sessions.ingest import deleted, release_session
from coffeeshop.sessions.registry import Session
from coffeeshop.transport import Transport

log = get_logger()


class Endings:
    """Each step may be taken again, by any replica. All of them block and raise `Unreachable`."""

    def __init__(self, transport: Transport, chronicle: Chronicle) -> None:
        self._transport = transport
        self._chronicle = chronicle

    def say_ended(self, session: Session, state: str, reason: str, **more: Any) -> None:
        """Write down how it ended; of two words the first counts."""
        self._chronicle.tell("ended", session.spec.id, state=state, reason=reason, **more)
        crash_point("gateway.ended_written")

    def end_undeclared(self, session: Session, state: str, reason: str) -> bool:
        """End it if its journals are not known to exist; whether it is over now.

        If they are, and others were told so before, its out journal must tell of its end.
        """
        if not session.declared:
            self.say_ended(session, state, reason, undeclared=True)
        return session.state != "open"

    def release(self, session: Session) -> None:
        """Delete its input, and say so."""
        broken = release_session(self._transport, session.spec, results=False)
        crash_point("gateway.input_released")
        self._say_gone("released", session, broken)
        crash_point("gateway.released_written")

    def expire(self, session: Session, **more: Any) -> None:
        """Delete all of it, results included, and say so.

        With ``settled`` nobody can be opening it any more.
        """
        broken = release_session(self._transport, session.spec, results=True)
        crash_point("gateway.results_released")
        self._say_gone("expired", session, broken, **more)
        crash_point("gateway.expired_written")

    def mend(self, journal: str, session: str) -> None:
        """Delete a journal of which there was but the name, and say so if that is gone too."""
        if deleted(self._transport, journal):
            log.info("journal.mended", session=session, journal=journal)
            self._chronicle.tell("mended", session, journal=journal)

    def _say_gone(
        self, kind: FactKind, session: Session, broken: tuple[str, ...], **more: Any
    ) -> None:
        fields = {"broken": " ".join(broken), **more} if broken else more
        self._chronicle.tell(kind, session.spec.id, **fields)
