"""After what time something ends by itself."""

from __future__ import annotations

from dataclasses import dataclass

from coffeeshop.gateway.registry import Session

OTHERS_PATIENCE = 5.0
"""Seconds the other replicas leave what is due to the one that opened the session."""


@dataclass(frozen=True)
class Lifetimes:
    """Seconds after which something ends by itself."""

    client_timeout: float = 60.0
    """Without a batch or a heartbeat: aborted, unless all that was announced is there."""
    result_ttl: float = 3600.0
    """After its end: the results are deleted."""
    session_ttl: float = 86_400.0
    """After its beginning: aborted, whatever it waits for."""

    def overdue(self, session: Session, now: float, wall: float) -> str:
        """Why an open session is to be aborted; empty when it is not.

        ``now`` is on the clock of ``last_seen``, ``wall`` on that of ``created``.
        """
        if not session.uploaded and now - session.last_seen > self.client_timeout:
            return f"no word of its client for {self.client_timeout:g} s"
        if wall - session.created > self.session_ttl:
            return f"not completed within {self.session_ttl:g} s"
        return ""
