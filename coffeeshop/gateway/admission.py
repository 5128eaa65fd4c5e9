"""How much a gateway takes at once: bytes in its memory, sessions, input; of each and of all."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from coffeeshop.gateway.problems import RETRY_SECONDS, Problem
from coffeeshop.gateway.registry import Session

QUOTA_RETRY = 5
"""Seconds after which to ask again for what only the end of a session of one's own brings."""
REASONS = (
    "session_window",
    "in_memory",
    "open_sessions",
    "journals",
    "client_sessions",
    "client_journals",
)
"""Why a request is refused: the limit that it would exceed."""


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
    client_sessions: int = 200
    """Open sessions of one name in the tokens file. Without tokens nobody has a name."""
    client_journals: int = 16 << 30
    """Input kept by the broker for one name above which no batch and no session is taken of it."""


class Admission:
    """Counts the bytes of bodies in memory. Belongs to the event loop's thread."""

    def __init__(self, limits: Limits | None = None) -> None:
        self.limits = limits or Limits()
        self.in_memory = 0
        self._by_session: dict[str, int] = {}
        self._opening: dict[str, Counter[str]] = {}
        self.refusals = dict.fromkeys(REASONS, 0)

    @property
    def refused(self) -> int:
        """Requests that there was no room for."""
        return sum(self.refusals.values())

    @contextmanager
    def body(self, session: str, size: int) -> Iterator[None]:
        """Room for a body of ``size`` bytes while inside; raises `Problem` 429 or 503."""
        mine = self._by_session.get(session, 0)
        if mine and mine + size > self.limits.session_window:
            self._refuse("session_window", 429, "this session has too much under way")
        if self.in_memory and self.in_memory + size > self.limits.in_memory:
            self._refuse("in_memory", 503, "this gateway has too much under way")
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
            self._refuse("open_sessions", 503, f"{open_sessions} sessions are open")
        if journal_bytes >= self.limits.journals:
            detail = f"the open sessions hold {journal_bytes} bytes of input"
            self._refuse("journals", 503, detail)

    @contextmanager
    def opening(self, owner: str, session: str, known: Iterable[Session]) -> Iterator[None]:
        """Room for one session more of that name, while it is being opened; `Problem` 429.

        ``known`` are all sessions. Each replica counts what it has heard of and what it opens.
        """
        theirs = [each for each in known if owner and each.owner == owner]
        under_way = self._opening.get(owner, Counter())
        is_open = {each.spec.id for each in theirs if each.state == "open"} | under_way.keys()
        is_open.discard(session)  # N clients may open one session at once
        if owner and len(is_open) >= self.limits.client_sessions:
            detail = (
                f"{owner} has {len(is_open)} open sessions and may have no more: "
                "wait until one ends, or cancel one"
            )
            self._refuse("client_sessions", 429, detail, QUOTA_RETRY)
        self.client_input(owner, theirs)
        self._opening[owner] = under_way + Counter((session,))
        try:
            yield
        finally:
            self._opening[owner] -= Counter((session,))
            if not self._opening[owner]:
                del self._opening[owner]

    def client_input(self, owner: str, known: Iterable[Session]) -> None:
        """Room for more input of that name's sessions; `Problem` 429."""
        if not owner:
            return
        held = sum(each.journal_bytes for each in known if each.owner == owner)
        if held >= self.limits.client_journals:
            detail = (
                f"the sessions of {owner} hold {held} bytes of input, and "
                f"{self.limits.client_journals} are allowed: wait until one ends, or cancel one"
            )
            self._refuse("client_journals", 429, detail, QUOTA_RETRY)

    def _refuse(
        self, reason: str, status: int, detail: str, retry_after: int = RETRY_SECONDS
    ) -> None:
        self.refusals[reason] += 1
        raise Problem(status, detail, retry_after=retry_after)
