"""How much a gateway takes at once: bytes in its memory, per session and in all."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from coffeeshop.gateway.problems import RETRY_SECONDS, Problem


@dataclass(frozen=True)
class Limits:
    """Bytes, and numbers of sessions."""

    in_memory: int = 256 << 20
    """Bodies received and not yet confirmed by the broker, of all sessions."""
    session_window: int = 32 << 20
    """The same, of one session."""
    journals: int = 64 << 30
    """Input kept by the broker above which no session is opened."""
    open_sessions: int = 1000


class Admission:
    """Counts the bytes of bodies in memory. Belongs to the event loop's thread."""

    def __init__(self, limits: Limits | None = None) -> None:
        self.limits = limits or Limits()
        self.in_memory = 0
        self._by_session: dict[str, int] = {}
        self.refused = 0

    @contextmanager
    def body(self, session: str, size: int) -> Iterator[None]:
        """Room for a body of ``size`` bytes while inside; raises `Problem` 429 or 503."""
        mine = self._by_session.get(session, 0)
        if mine and mine + size > self.limits.session_window:
            self._refuse(429, "this session has too much under way")
        if self.in_memory and self.in_memory + size > self.limits.in_memory:
            self._refuse(503, "this gateway has too much under way")
        self.in_memory += size
        self._by_session[session] = mine + size
        try:
            yield
        finally:
            self.in_memory -= size
            left = self._by_session.pop(session, 0) - size
            if left > 0:  # bodies of 0 bytes leave no entry behind
                self._by_session[session] = left

    def session(self, open_sessions: int, journal_bytes: int) -> None:
        """Room for one session more; raises `Problem` 503."""
        if open_sessions >= self.limits.open_sessions:
            self._refuse(503, f"{open_sessions} sessions are open")
        if journal_bytes >= self.limits.journals:
            self._refuse(503, f"the open sessions hold {journal_bytes} bytes of input")

    def _refuse(self, status: int, detail: str) -> None:
        self.refused += 1
        raise Problem(status, detail, retry_after=RETRY_SECONDS)
