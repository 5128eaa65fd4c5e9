"""After what time something ends by itself."""

from __future__ import annotations

from dataclasses import dataclass

from coffeeshop.pipeline.repair import STALLED_AFTER
from coffeeshop.sessions.registry import Session

DAY = 86_400.0
SUSPICIOUS = 30.0
"""Days: a session that is older was not, most likely."""
OTHERS_PATIENCE = 5.0
"""Seconds the other replicas leave what is due to the one that opened the session."""


@dataclass(frozen=True)
class Lifetimes:
    """Seconds after which something ends by itself."""

    client_timeout: float = 60.0
    """Without a batch or a heartbeat: aborted, unless all that was announced is there."""
    result_ttl: float = 7 * DAY
    """After its end: the results are deleted, unless somebody asked to keep them longer."""
    session_ttl: float = 86_400.0
    """After its beginning: aborted, whatever it waits for."""
    stalled_after: float = STALLED_AFTER
    """Without any word of an uploaded session's tasks: those that owe results are assigned again.
    """
    longest_keep: float = 90 * DAY
    """For which somebody may ask to keep results, from then on."""

    def expires_at(self, session: Session) -> float | None:
        """When an ended session and its results are deleted, in seconds since 1970."""
        if session.ended is None:
            return None
        return max(session.ended + self.result_ttl, session.kept_until)

    def silent(self, session: Session, replica: str, now: float) -> bool:
        """Whether its client was not heard of for so long that ``replica`` is to do something.

        ``now`` is on the clock of ``last_seen``.
        """
        patience = 0.0 if session.gateway == replica else OTHERS_PATIENCE
        return now - session.last_seen > self.client_timeout + patience

    def overdue(self, session: Session, silent: bool, wall: float) -> str:
        """Why an open session is to be aborted; empty when it is not.

        ``silent`` as its client is, ``wall`` on the clock of ``created``.
        """
        if silent and not session.uploaded:
            return f"the client sent nothing for {self.client_timeout:g} s"
        if wall - session.created > self.session_ttl:
            days = (wall - session.created) / DAY
            set_wrong = days > SUSPICIOUS and days * DAY > 2 * self.session_ttl
            clock = f"; by the gateways' clocks it is {days:.0f} days old: are they right?"
            return (
                f"the session did not complete within {self.session_ttl:g} s (--session-ttl)"
                f"{clock if set_wrong else ''}"
            )
        return ""
