"""What is written, and what is deleted, when a session ends, is released and expires."""

from __future__ import annotations

from coffeeshop.crashpoints import crash_point
from coffeeshop.gateway.chronicle import Chronicle
from coffeeshop.gateway.ingest import release_session
from coffeeshop.gateway.registry import FactKind, Session
from coffeeshop.transport import Transport


class Endings:
    """Each step may be taken again, by any replica. All of them block and raise `Unreachable`."""

    def __init__(self, transport: Transport, chronicle: Chronicle) -> None:
        self._transport = transport
        self._chronicle = chronicle

    def say_ended(self, session: Session, state: str, reason: str) -> None:
        """Write down how it ended; of two words the first counts."""
        self._chronicle.stored(
            self._chronicle.say("ended", session.spec.id, state=state, reason=reason)
        )
        crash_point("gateway.ended_written")

    def release(self, session: Session) -> None:
        """Delete its input, and say so."""
        broken = release_session(self._transport, session.spec, results=False)
        crash_point("gateway.input_released")
        self._say_gone("released", session, broken)
        crash_point("gateway.released_written")

    def expire(self, session: Session) -> None:
        """Delete all of it, results included, and say so."""
        broken = release_session(self._transport, session.spec, results=True)
        crash_point("gateway.results_released")
        self._say_gone("expired", session, broken)
        crash_point("gateway.expired_written")

    def _say_gone(self, kind: FactKind, session: Session, broken: tuple[str, ...]) -> None:
        fields = {"broken": " ".join(broken)} if broken else {}
        self._chronicle.stored(self._chronicle.say(kind, session.spec.id, **fields))
