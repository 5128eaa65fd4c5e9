"""What every route works with, and how a route finds its session."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path as FilePath
from typing import Annotated, Any, Literal

from cachetools import LRUCache
from fastapi import Depends, Path, Query, Request

from coffeeshop.actors.keeper_supervisor import HostedKeepers
from coffeeshop.errors import UsageError
from coffeeshop.gateway.admission import Admission, Limits
from coffeeshop.gateway.changes import Changes, SessionNews
from coffeeshop.gateway.previews import Previews, SoFar
from coffeeshop.gateway.problems import RETRY_SECONDS, Problem
from coffeeshop.gateway.security.access import caller, sees
from coffeeshop.gateway.session_bodies import details, public
from coffeeshop.gateway.traffic import Traffic
from coffeeshop.names import QUERIES, STAGES
from coffeeshop.observability.logs import about
from coffeeshop.observability.metrics import Metrics
from coffeeshop.operators import Late
from coffeeshop.pipeline.plan import PLANS, plan_of
from coffeeshop.presence import NodeDirectory
from coffeeshop.questions.asking import QUESTION_NAME
from coffeeshop.schema import CATALOG, Table
from coffeeshop.sessions.events import SessionEvent
from coffeeshop.sessions.lifecycle import Session
from coffeeshop.sessions.log import LOST, SessionLog
from coffeeshop.sessions.outcome import SessionOutcome
from coffeeshop.sessions.sessions import Sessions
from coffeeshop.transport import Transport

NEWS_TIMEOUT = 2.0
"""Seconds to wait for word of a session that another replica may just have opened."""
RESULT_READERS = 4
BROKER_PATIENCE = 10.0
"""Seconds of a broker's absence in which requests wait for it, as for one that restarts."""
AWAY_RETRY_SECONDS = 5
REMEMBERED = 65_536
"""Digests of recent batches, by which this replica tells a changed repeat at once."""
OWN = "own"
"""In figures, the questions of sessions' own: their names may be anything."""


@dataclass
class Gateway:
    """One replica. Belongs to the event loop's thread."""

    transport: Transport
    sessions: Sessions
    keepers: HostedKeepers
    nodes: NodeDirectory
    limits: Limits = field(default_factory=Limits)
    connected: Callable[[], bool] = lambda: True
    """Whether the broker answers."""
    process_metrics: Callable[[], Metrics] = dict
    """Metrics of the process that this is a part of. May block."""
    example: Callable[[], Mapping[str, FilePath]] | None = None
    """Files of an example data set by their paths in it, for the page to offer. May block."""
    currency: str = ""
    """The ISO code of the currency that amounts are shown in; empty: as mere numbers."""

    def __post_init__(self) -> None:
        self.admission = Admission(self.limits)
        self.traffic = Traffic()
        self.previews = Previews(self.transport)
        self.looks: dict[str, asyncio.Future[SoFar]] = {}
        """Looks at sessions that run, under way."""
        self.reading = asyncio.Semaphore(RESULT_READERS)
        self.token_version: Callable[[], int] = lambda: 0
        """Changes when other tokens are let in."""
        self.changes = Changes(
            lambda: (self.stopping, self.nodes.unserved(STAGES), self.token_version())
        )
        self.news = SessionNews()
        self.sessions.log.on_event.append(lambda event: self.news.tell(event.session))
        self.sessions.log.on_event.append(self._preview_no_more)
        self.stopping = False
        self._away_since: float | None = None
        self._digests: LRUCache[tuple[str, str, int, int], str] = LRUCache(REMEMBERED)

    def _preview_no_more(self, event: SessionEvent) -> None:
        if event.kind in ("ended", "expired"):
            self.previews.forget(event.session)

    @property
    def log(self) -> SessionLog:
        """What this replica knows of all sessions."""
        return self.sessions.log

    def not_ready_because(self) -> str:
        """Why no client should be sent here; empty when this replica is ready.

        A broker that is away is away for every replica: a balancer that took all of them out would
        leave clients refused connections instead of an answer that says to come again.
        """
        if self.stopping:
            return "the gateway is stopping"
        if self.log.gone:
            return LOST
        return "" if self.broker_away() else self.keepers.trouble()

    def broker_away(self) -> float:
        """For how many seconds the broker has not answered, as far as it was asked here; 0 while
        it does."""
        if self.connected():
            self._away_since = None
            return 0.0
        now = time.monotonic()
        self._away_since = now if self._away_since is None else self._away_since
        return max(now - self._away_since, 0.001)

    def check_broker(self) -> None:
        """`Problem` 503 while the broker is away; its first seconds are waited for instead."""
        if self.broker_away() > BROKER_PATIENCE:
            raise Problem(
                503, "the broker does not answer: try again later", retry_after=AWAY_RETRY_SECONDS
            )

    def visible_sessions(self) -> list[Session]:
        """The sessions that who asks may know of, the oldest first."""
        return [session for session in self.log.all() if sees(session.owner)]

    def visible_nodes(self) -> list[dict[str, Any]]:
        """The nodes, for an admin."""
        return self.nodes.all() if caller().admin else []

    def check_repeat(self, key: tuple[str, str, int, int], digest: str) -> bool:
        """Whether this replica took the batch before; `Problem` 409 when with another body."""
        known = self._digests.get(key)
        if known is not None and known != digest:
            raise Problem(409, "a different batch with this number was stored before")
        self._digests[key] = digest
        return known is not None

    def public(self, session: Session) -> dict[str, Any]:
        """The session as the API shows it."""
        return {
            **public(session),
            "expires_at": self.sessions.timeouts.expires_at(session),
            "waits_for": self.waits_for(session),
        }

    def details(self, session: Session) -> dict[str, Any]:
        """The same with what a list has no room for."""
        return {
            **self.public(session),
            **details(session),
            "results_at": self.sessions.result_times(session),
            "missing": self.sessions.repairs.missing(session.spec.id),
        }

    def waits_for(self, session: Session) -> list[str]:
        """The stages of an open session that no node runs."""
        if session.state != "open":
            return []
        return self.nodes.unserved([stage.name for stage in plan_of(session.spec).stages])

    def outcome_of(self, session: Session) -> SessionOutcome:
        """What its out journal says. A session that has ended has some record there."""
        outcome = self.sessions.outcomes.of(session.spec)
        if session.state != "open":
            outcome.expect()
        return outcome

    def complete(self, session: Session) -> list[str]:
        """The queries whose results can be fetched."""
        # In this order: what is watched is forgotten only after the state says that it has ended.
        ready = self.sessions.complete(session)
        is_complete = self.log.updated(session).state == "completed"
        return list(plan_of(session.spec).results) if is_complete else ready


async def _gateway(request: Request) -> Gateway:
    gateway: Gateway = request.app.state.gateway
    return gateway


def without_workers(stages: list[str]) -> str:
    """What to say where no node runs these stages; empty when there are none."""
    if not stages:
        return ""
    is_all = any({stage.name for stage in plan.stages} <= set(stages) for plan in PLANS.values())
    names = ", ".join(stage.replace("_", " ") for stage in stages)
    who = "No worker is running" if is_all else f"No worker runs {names}"
    return f"{who}; your data is safe and waits"


GatewayDep = Annotated[Gateway, Depends(_gateway)]
SessionId = Annotated[uuid.UUID, Path(description="The id of the session.")]
TableName = Annotated[Literal[*CATALOG], Path(description="The table.")]  # type: ignore[valid-type]
QueryName = Annotated[
    str,
    Path(
        pattern=QUESTION_NAME,
        description=f"{', '.join(QUERIES)}; or the name of a question of the session's own.",
    ),
]
Producer = Annotated[
    int,
    Query(
        ge=0, lt=10_000, description="The number of this client, where several feed one session."
    ),
]
Sequence = Annotated[
    int, Path(ge=0, lt=1 << 40, description="The number of the batch in its table, from 0.")
]


async def session_of(gateway: Gateway, session: uuid.UUID) -> Session:
    """The session; raises `Problem` 404, or 410 when it was removed."""
    name = str(session)
    about(session=name)

    def visible() -> Session | None:
        known = gateway.log.get(name)
        if known is not None and sees(known.owner):
            return known
        owner = gateway.log.expired_owner(name)
        if owner is not None and sees(owner):
            raise Problem(410, "the session and its results were deleted", state="expired")
        return None

    # As long for the sessions of others, which the answer must not tell from none at all.
    if (known := await gateway.news.wait_for(name, visible, NEWS_TIMEOUT)) is None:
        raise Problem(404, f"no session {session}")
    return known


def table_of(session: Session, name: str) -> tuple[Table, Late]:
    """A table as the session reads it; `Problem` 400 when it does not."""
    plan = plan_of(session.spec)
    try:
        return plan.table(name), plan.late_columns(name)
    except UsageError as error:
        raise Problem(400, str(error)) from None


async def open_session_of(gateway: Gateway, session: uuid.UUID, producer: int = 0) -> Session:
    """The session, which takes input; raises `Problem` 404, 409, 410 or 503."""
    gateway.check_broker()
    known = await session_of(gateway, session)
    if known.state != "open":
        raise over(known)
    if not known.declared:
        raise being_opened()
    if producer >= known.spec.producers:
        raise Problem(
            409, f"the session has producers 0 to {known.spec.producers - 1}, not {producer}"
        )
    return known


def over(session: Session) -> Problem:
    """What a session that has ended answers."""
    if session.state == "open":  # its journals are gone, the word of its end is on its way
        return Problem(410, "the session has ended")
    reason = f": {session.reason}" if session.reason else ""
    return Problem(410, f"the session is {session.state}{reason}", state=session.state)


def being_opened() -> Problem:
    """What a session answers whose journals do not exist yet."""
    return Problem(503, "the session is still being opened; try again", retry_after=RETRY_SECONDS)


async def confirmed(future: Future[None]) -> None:
    """Wait for the broker without a thread."""
    await asyncio.wrap_future(future)
