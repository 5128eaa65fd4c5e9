"""How much a gateway takes and gives at once, of each client and of all: bytes in its memory,
sessions, input, answers, listeners.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from coffeeshop.bounds import BROKER_FILES, OPEN_SESSIONS
from coffeeshop.gateway.broker_files import BrokerFiles
from coffeeshop.gateway.problems import RETRY_SECONDS, Problem
from coffeeshop.pipeline.messages import SessionSpec
from coffeeshop.sessions.lifecycle import Session

QUOTA_RETRY = 5
"""Seconds after which to ask again for what only the end of a session of one's own brings."""
REASONS = (
    "session_window",
    "in_memory",
    "open_sessions",
    "journals",
    "results",
    "client_sessions",
    "client_journals",
    "client_results",
    "answers",
    "client_answers",
    "listeners",
    "client_listeners",
    "broker_files",
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
    open_sessions: int = OPEN_SESSIONS
    client_sessions: int = 200
    """Open sessions of one name in the tokens file. Without tokens clients have no names."""
    client_journals: int = 16 << 30
    """Input kept by the broker for one name above which no batch and no session is taken of it."""
    results: int = 5000
    """Sessions, open or with results: each of them has at least one stream."""
    client_results: int = 2000
    """The same, of one name."""
    result_bytes: int = 16 << 30
    """Results kept by the broker above which no session is opened."""
    answers: int = 256 << 20
    """Answers in memory, not yet sent, above which none is built."""
    client_answers: int = 64 << 20
    """The same, of one name."""
    listeners: int = 10_000
    """Streams of events at once."""
    client_listeners: int = 2000
    """The same, of one name."""
    broker_files: int = BROKER_FILES
    """File descriptors that the broker may have, above which no session is opened."""


class Admission:
    """Counts the bytes of bodies in memory. Belongs to the event loop's thread."""

    def __init__(self, limits: Limits | None = None) -> None:
        self.limits = limits or Limits()
        self.in_memory = 0
        self._by_session: dict[str, int] = {}
        self._opening: dict[str, Counter[str]] = {}
        self._answers: Counter[str] = Counter()
        self._listeners: Counter[str] = Counter()
        self.refusals = dict.fromkeys(REASONS, 0)
        self.broker_files = BrokerFiles(self.limits.broker_files)

    @property
    def refused(self) -> int:
        """Requests that there was no room for."""
        return sum(self.refusals.values())

    @contextmanager
    def body(self, session: str, size: int) -> Iterator[None]:
        """Room for a body of ``size`` bytes while inside; raises `Problem` 429 or 503."""
        mine = self._by_session.get(session, 0)
        if mine and mine + size > self.limits.session_window:
            self._refuse(
                "session_window",
                429,
                "too many bytes of this session are not stored yet; send again later",
            )
        if self.in_memory and self.in_memory + size > self.limits.in_memory:
            self._refuse(
                "in_memory",
                503,
                "too many bytes are not stored yet at this gateway; send again later",
            )
        self.in_memory += size
        self._by_session[session] = mine + size
        try:
            yield
        finally:
            self.in_memory -= size
            left = self._by_session.pop(session, 0) - size
            if left > 0:  # bodies of 0 bytes leave no entry behind
                self._by_session[session] = left

    def session(
        self, open_sessions: int, journal_bytes: int, kept: int = 0, result_bytes: int = 0
    ) -> None:
        """Room for one session more; raises `Problem` 503.

        ``kept`` sessions are open or have results, which have ``result_bytes``.
        """
        if open_sessions >= self.limits.open_sessions:
            self._refuse(
                "open_sessions",
                503,
                f"{open_sessions} sessions are open, and the gateway allows no more",
            )
        if journal_bytes >= self.limits.journals:
            detail = (
                f"the open sessions hold {journal_bytes} bytes of input, "
                "and the gateway allows no more"
            )
            self._refuse("journals", 503, detail)
        if kept >= self.limits.results or result_bytes >= self.limits.result_bytes:
            detail = (
                f"{kept} sessions with {result_bytes} bytes of results are kept, and none of them "
                "may go yet: delete some"
            )
            self._refuse("results", 503, detail)

    def files(self, known: list[Session], new: SessionSpec, *, failed: bool = False) -> None:
        """Room for the broker's files of one session more; raises `Problem` 503.

        ``failed``: the broker just found none.
        """
        if failed:
            self.broker_files.exhausted(self.broker_files.taken(known))
        if failed or self.broker_files.refusal(known, new):
            words = self.broker_files.words(known, new)
            self._refuse("broker_files", 503, words, QUOTA_RETRY)

    @contextmanager
    def opening(self, owner: str, session: str, known: Iterable[Session]) -> Iterator[None]:
        """Room for one session more of that name, while it is being opened; `Problem` 429.

        ``known`` are all sessions. Each replica counts what it has heard of and what it opens.
        """
        theirs = [each for each in known if owner and each.owner == owner]
        under_way = self._opening.get(owner, Counter())
        others = under_way.keys() - {session}  # N clients may open one session at once
        is_open = {each.spec.id for each in theirs if each.state == "open"} - {session} | others
        kept = {each.spec.id for each in theirs} - {session} | others
        if owner and len(is_open) >= self.limits.client_sessions:
            detail = (
                f"{owner} has {len(is_open)} open sessions, the most allowed: "
                "wait until one ends, or cancel one"
            )
            self._refuse("client_sessions", 429, detail, QUOTA_RETRY)
        if owner and len(kept) >= self.limits.client_results:
            detail = (
                f"{owner} has {len(kept)} sessions, those with results included, and may have "
                "no more, and none of them may go yet: delete some"
            )
            self._refuse("client_results", 429, detail, QUOTA_RETRY)
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

    @contextmanager
    def response_bytes(self, client: str) -> Iterator[Callable[[int], None]]:
        """Room to build an answer for that name, and to hold it while inside; `Problem` 429 or 503.

        What it gives is to be told of the answer's bytes. Who reads slowly, or not, holds them.
        """
        if self.answers >= self.limits.answers:
            self._refuse(
                "answers",
                503,
                "clients of this gateway read their results too slowly; try again later",
            )
        if client and self._answers[client] >= self.limits.client_answers:
            self._refuse(
                "client_answers",
                429,
                f"{client} reads its results too slowly; read them, then try again",
            )
        sizes: list[int] = []

        def hold(size: int) -> None:
            sizes.append(size)
            self._answers[client] += size

        try:
            yield hold
        finally:
            self._answers[client] -= sum(sizes)
            if not self._answers[client]:
                del self._answers[client]

    @property
    def answers(self) -> int:
        """Bytes of answers in memory, not yet sent."""
        return self._answers.total()

    @property
    def listeners(self) -> int:
        """Streams of events at this moment."""
        return self._listeners.total()

    @contextmanager
    def listening(self, client: str) -> Iterator[None]:
        """Room for one stream of events more; `Problem` 429 or 503."""
        if self.listeners >= self.limits.listeners:
            self._refuse(
                "listeners", 503, "this gateway has too many event streams; try again later"
            )
        if client and self._listeners[client] >= self.limits.client_listeners:
            self._refuse(
                "client_listeners", 429, f"{client} has too many event streams; close some"
            )
        self._listeners[client] += 1
        try:
            yield
        finally:
            self._listeners[client] -= 1
            if not self._listeners[client]:
                del self._listeners[client]

    def _refuse(
        self, reason: str, status: int, detail: str, retry_after: int = RETRY_SECONDS
    ) -> None:
        self.refusals[reason] += 1
        raise Problem(status, detail, retry_after=retry_after)
