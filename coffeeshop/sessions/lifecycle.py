"""The life of a session as a pure state machine: state x event x time -> state and action.

`TRANSITIONS` is all of it. A session's state is the fold of its events in ``ctl.sessions``
(`evolve`). Of the rows of its phase the first whose condition holds is its keeper's next action
(`next_transition`, `sessions.steps` says what the action does to the broker). When that is done the
log has the row's event, and the session is in the row's next phase. Nothing is remembered between
two actions but what the log tells again: a keeper that restarts, or a second one beside it, decides
the same. Clocks are arguments, values are never changed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from enum import Enum
from typing import Any

from coffeeshop.errors import (
    BrokerRefuses,
    CodecError,
    CoffeeshopError,
    JournalBroken,
    JournalGone,
    ProtocolError,
    UsageError,
)
from coffeeshop.pipeline.messages import SessionSpec
from coffeeshop.pipeline.plan import plan_of
from coffeeshop.pipeline.repair import STALLED_AFTER
from coffeeshop.sessions.events import End, EventKind, SessionEvent, State

DAY = 86_400.0
SUSPICIOUS = 30.0
"""Days: a session that is older was not, most likely."""
LONGEST_OPENING = 600.0
"""Seconds after which no keeper is creating a session's journals any more."""
ASKED_AGAIN = 30.0
"""Seconds until an end that did not come is asked for again."""
MOST_LINKS = 100
"""For one session, until they end by themselves."""
SNAPSHOT_AFTER = 64 << 20
"""Bytes of the log since a session was last stated in full: the broker keeps four times as much."""
Key = tuple[str, str]
"""Table and producer."""


class Phase(Enum):
    """Where a session is in its life."""

    OPENING = "opening"
    """Announced; its journals may not exist."""
    OPEN = "open"
    """Its journals exist: its clients feed it. Its tasks wait for nodes once they began to."""
    UPLOADED = "uploaded"
    """Every producer ended every table: nothing needs the clients any more."""
    CLIENT_GONE = "client gone"
    """Uploaded, and its tasks know that nothing more comes."""
    ENDED = "ended"
    """It has its one end; its input is still there."""
    RELEASED = "released"
    """Its input is deleted, its results are kept."""
    EXPIRED = "expired"
    """All of it is deleted; its id is never used again."""


_OPEN = (Phase.OPEN, Phase.UPLOADED, Phase.CLIENT_GONE)


class Action(Enum):
    """What a keeper does."""

    DECLARE = "declare the journals"
    ASSIGN = "publish the assignments"
    WATCH = "watch the out journal"
    ABORT = "write a failure to the out journal"
    REPAIR = "send again what tasks miss"
    GIVE_UP_CLIENT = "tell the tasks that the clients are gone"
    RECORD_END = "record the end"
    RELEASE = "delete the input"
    EXPIRE = "delete the results"
    SNAPSHOT = "write a snapshot"


MOST_LEFT_OUT_ROWS = 10
"""Rows that a session names of those that its clients left out."""


@dataclass(frozen=True)
class Session:
    """What is known of one session: the fold of its events."""

    spec: SessionSpec
    gateway: str
    created: float
    name: str = ""
    owner: str = ""
    """The name of the token that opened it; empty when none was needed."""
    state: State = "open"
    reason: str = ""
    ended: float | None = None
    declared: bool = False
    declared_at: float | None = None
    fed: bool = False
    """A client began to send."""
    assigned: bool = False
    """Its tasks were put up for the nodes. A session without a batch costs no node anything."""
    client_gone: bool = False
    released: bool = False
    released_at: float | None = None
    expired: bool = field(default=False, compare=False)
    taken: Mapping[str, int] = field(default_factory=dict)
    """Bytes each gateway has appended, by gateway."""
    tables: Mapping[Key, int] = field(default_factory=dict)
    """Batches of each (table, producer) that ended."""
    table_times: Mapping[Key, float] = field(default_factory=dict)
    """When each of them ended, in seconds since 1970 as all times of records."""
    result_times: Mapping[str, float] = field(default_factory=dict)
    """When each query of an ended session was complete."""
    result_bytes: int = 0
    """What the broker keeps of an ended session."""
    kept_until: float = 0.0
    """The results stay until then, because a client asked for that."""
    links: Mapping[str, float] = field(default_factory=dict)
    """Until when read-only links hold, by the hashes of their tokens; negative of those that were
    ended."""
    bad_rows: tuple[Mapping[str, Any], ...] = ()
    """The first rows for which its client gave it up: file, line, column, value, reason."""
    left_out: Mapping[Key, tuple[int, int]] = field(default_factory=dict)
    """How many rows of a table a producer left out since they are bad, of how many; where it did.
    """
    left_out_rows: tuple[Mapping[str, Any], ...] = ()
    """The first of them, as they were told."""
    refused: str = ""
    """The name of the error for which its journals could not be created."""
    last_seen: float = field(default=0.0, compare=False)
    """Seconds of the reader's `LogClock`: when its clients were last heard of."""
    stated_at: int = field(default=0, compare=False)
    """Bytes of the log as read when this was last stated in full."""

    @property
    def journal_bytes(self) -> int:
        """Bytes of input the broker keeps for it."""
        return 0 if self.released else sum(self.taken.values())

    @property
    def uploaded(self) -> bool:
        """Whether every producer ended every table."""
        return len(self.tables) == len(plan_of(self.spec).tables) * self.spec.producers

    def live_links(self, wall: float) -> list[str]:
        """The hashes of the links that hold at that moment, in seconds since 1970."""
        return [link for link, until in self.links.items() if until > wall]

    @property
    def phase(self) -> Phase:
        """Where it is in its life."""
        if self.expired:
            return Phase.EXPIRED
        if self.state != "open":
            return Phase.RELEASED if self.released else Phase.ENDED
        if not self.declared:
            return Phase.OPENING
        if not self.uploaded:
            return Phase.OPEN
        return Phase.CLIENT_GONE if self.client_gone else Phase.UPLOADED

    def to_snapshot(self) -> dict[str, Any]:
        """All of it that holds for every reader, as the fields of an event."""
        known = {each.name: getattr(self, each.name) for each in fields(self) if each.compare}
        return {
            **known,
            "spec": self.spec.fields(),
            "tables": [[*key, number] for key, number in self.tables.items()],
            "table_times": [[*key, at] for key, at in self.table_times.items()],
            "left_out": [[*key, *rows] for key, rows in self.left_out.items()],
        }


@dataclass(frozen=True)
class KeeperState:
    """What one keeper knows beyond the log. Lost when it restarts, and found again."""

    since: float = float("-inf")
    """When the session was assigned to it, on the process's clock."""
    watching: bool = False
    created: bool = False
    """It has begun to create the journals, and did not see yet that this came in time."""
    end: End | None = None
    """Read on the out journal."""
    failure: End | None = None
    """The session fails by its keeper: that failed too often, or the broker refuses its journals
    or its tasks."""
    misses: bool = False
    """Tasks asked for records that the broker lost, or say nothing any more."""
    asked_at: float = float("-inf")
    """When an end was last asked for, on the process's clock."""

    def seeing(self, session: Session, end: End | None) -> KeeperState:
        """With what is known by now: the session, and the end that its out journal tells."""
        known = replace(self, end=end or self.end)
        if session.phase not in _OPEN:
            return known
        # Another keeper may have created what the broker refused to this one.
        failure = None if self.failure is not None and self.failure.refused else self.failure
        return replace(known, created=False, failure=failure)

    def is_over(self, session: Session) -> bool:
        """Whether the session needs no keeper any more: its assignment may be acknowledged."""
        return session.phase in (Phase.RELEASED, Phase.EXPIRED) and not self.created

    def before(self, action: Action) -> KeeperState:
        """As of when an action begins."""
        return replace(self, created=True) if action is Action.DECLARE else self

    def after(self, action: Action, now: float) -> KeeperState:
        """As of when all steps of an action are taken; ``now`` on the process's clock."""
        match action:
            case Action.WATCH:
                return replace(self, watching=True)
            case Action.ABORT:
                return replace(self, asked_at=now)
            case Action.RELEASE | Action.EXPIRE:
                return replace(self, created=False)
        return self

    def anew(self) -> KeeperState:
        """Of a keeper that failed and begins again."""
        return KeeperState(self.since, created=self.created, asked_at=self.asked_at)


@dataclass(frozen=True)
class Timeouts:
    """Seconds after which something ends by itself."""

    client_timeout: float = 60.0
    """Without a batch or a heartbeat: aborted, unless all that was announced is there."""
    result_ttl: float = 7 * DAY
    """After its end: the results are deleted, unless a client asked to keep them longer."""
    session_ttl: float = DAY
    """After its beginning: aborted, whatever it waits for."""
    stalled_after: float = STALLED_AFTER
    """Without any word of an uploaded session's tasks: those that owe results are assigned again.
    """
    longest_keep: float = 90 * DAY
    """For which a client may ask to keep results, from then on."""

    def expires_at(self, session: Session) -> float | None:
        """When an ended session and its results are deleted, in seconds since 1970."""
        if session.ended is None:
            return None
        return max(session.ended + self.result_ttl, session.kept_until)


@dataclass(frozen=True)
class Now:
    """One moment on every clock that counts."""

    process: float
    """Monotonic seconds of this process."""
    log: float
    """Seconds of this process's `LogClock`."""
    wall: float
    """Seconds since 1970."""
    written: int = 0
    """Bytes of the log that were read."""


@dataclass(frozen=True)
class LogClock:
    """Time as the log tells it: it advances only while this process's own pings come back.

    A process that was frozen or cut off, or whose broker took nothing, missed the words of clients
    that were there all the time. So silence is measured between two records of the log: a sign of
    life, and a ping of the reader's own that is stored behind it.
    """

    period: float
    """Seconds between pings; the return of one may take as long again."""
    heard_at: float
    """When the process last read a record of its own."""
    seconds: float = 0.0
    asked: bool = False
    """Whether a ping is under way."""

    def ping_due(self, now: float) -> bool:
        """Whether to write a ping."""
        return not self.asked and now - self.heard_at >= self.period

    def lagging(self, now: float) -> bool:
        """Whether a ping should have come back by now."""
        return now - self.heard_at > 2 * self.period

    def pinged(self) -> LogClock:
        """A ping is under way."""
        return replace(self, asked=True)

    def pong(self, now: float) -> LogClock:
        """A record of the process's own was read: so long, and no longer, it surely heard."""
        passed = min(now - self.heard_at, 2 * self.period)
        return replace(self, seconds=self.seconds + passed, heard_at=now, asked=False)

    def resumed(self, now: float) -> LogClock:
        """Nothing was to be heard until now."""
        return replace(self, heard_at=now, asked=False)


@dataclass(frozen=True)
class View:
    """All that a condition may look at."""

    session: Session
    keeper: KeeperState
    now: Now
    timeouts: Timeouts

    @property
    def silent(self) -> bool:
        """The clients were not heard of for too long."""
        return self.now.log - self.session.last_seen > self.timeouts.client_timeout

    @property
    def overdue(self) -> End | None:
        """How the session is to end, whatever its tasks do; None when it may go on."""
        session, timeouts = self.session, self.timeouts
        if self.keeper.failure is not None:
            return self.keeper.failure
        if self.silent and not session.uploaded:
            return End("aborted", f"the client sent nothing for {timeouts.client_timeout:g} s")
        age = self.now.wall - session.created
        if age <= timeouts.session_ttl:
            return None
        wrong = age > max(SUSPICIOUS * DAY, 2 * timeouts.session_ttl)
        clock = f"; by the gateways' clocks it is {age / DAY:.0f} days old: are they right?"
        return End(
            "aborted",
            f"the session did not complete within {timeouts.session_ttl:g} s (--session-ttl)"
            f"{clock if wrong else ''}",
        )


def the_log_drops_its_beginning(view: View) -> bool:
    """Older than that the log keeps nothing."""
    return view.now.written - view.session.stated_at > SNAPSHOT_AFTER


def it_cannot_go_on(view: View) -> bool:
    """Its client is silent, its time is over, its keeper failed too often, the broker refuses."""
    return view.overdue is not None


def its_clients_began(view: View) -> bool:
    """And its tasks do not wait for nodes yet, nor has its keeper given it up."""
    return view.keeper.failure is None and view.session.fed and not view.session.assigned


def its_end_was_read(view: View) -> bool:
    """The out journal has a terminal record, or is gone."""
    return view.keeper.end is not None


def it_is_not_watched(view: View) -> bool:
    """No reader waits for its end."""
    return not view.keeper.watching


def an_end_is_to_be_asked_for(view: View) -> bool:
    """As `it_cannot_go_on`, and it was not asked for a moment ago."""
    return view.overdue is not None and view.now.process - view.keeper.asked_at > ASKED_AGAIN


def tasks_miss_records(view: View) -> bool:
    """See `coffeeshop.sessions.repairs`."""
    return view.keeper.misses


def its_clients_are_silent(view: View) -> bool:
    """And have ended every table."""
    return view.silent


def its_journals_were_created_too_late(view: View) -> bool:
    """It ended, and was cleaned up by another keeper, while this one was creating them."""
    return view.keeper.created


def its_results_are_due(view: View) -> bool:
    """And no client asked to keep them longer."""
    return view.now.wall > (view.timeouts.expires_at(view.session) or view.now.wall)


def always(view: View) -> bool:
    """At once."""
    return True


@dataclass(frozen=True)
class Transition:
    """In ``phase``, ``when`` it holds, the keeper does ``action``; then the log has ``event``."""

    phase: Phase
    when: Callable[[View], bool]
    action: Action
    event: EventKind | None
    then: Phase


_P, _A = Phase, Action
TRANSITIONS: tuple[Transition, ...] = (
    *(
        Transition(each, the_log_drops_its_beginning, _A.SNAPSHOT, "snapshot", each)
        for each in _P
        if each is not _P.EXPIRED
    ),
    Transition(_P.OPENING, it_cannot_go_on, _A.RECORD_END, "ended", _P.ENDED),
    Transition(_P.OPENING, always, _A.DECLARE, "declared", _P.OPEN),
    *(Transition(each, its_end_was_read, _A.RECORD_END, "ended", _P.ENDED) for each in _OPEN),
    *(Transition(each, its_clients_began, _A.ASSIGN, "assigned", each) for each in _OPEN),
    *(Transition(each, it_is_not_watched, _A.WATCH, None, each) for each in _OPEN),
    *(Transition(each, an_end_is_to_be_asked_for, _A.ABORT, None, each) for each in _OPEN),
    *(Transition(each, tasks_miss_records, _A.REPAIR, None, each) for each in _OPEN),
    Transition(
        _P.UPLOADED, its_clients_are_silent, _A.GIVE_UP_CLIENT, "client_gone", _P.CLIENT_GONE
    ),
    Transition(_P.ENDED, always, _A.RELEASE, "released", _P.RELEASED),
    Transition(
        _P.RELEASED, its_journals_were_created_too_late, _A.RELEASE, "released", _P.RELEASED
    ),
    Transition(_P.EXPIRED, its_journals_were_created_too_late, _A.EXPIRE, "expired", _P.EXPIRED),
    Transition(_P.RELEASED, its_results_are_due, _A.EXPIRE, "expired", _P.EXPIRED),
)
"""What keepers do, row by row. (A released session has no keeper of its own: one actor of a node
looks after all of them.)"""
FROM_OUTSIDE: tuple[tuple[Phase, EventKind, Phase], ...] = (
    (_P.OPEN, "table_ended", _P.UPLOADED),
    *((each, "ended", _P.ENDED) for each in (_P.OPENING,)),
    *((each, "expired", _P.EXPIRED) for each in (_P.OPENING, *_OPEN, _P.ENDED)),
)
"""What clients bring about: they end the last table, cancel, delete."""


def next_transition(view: View) -> Transition | None:
    """The first row that applies; None when there is nothing to do now."""
    phase = view.session.phase
    return next((row for row in TRANSITIONS if row.phase is phase and row.when(view)), None)


@dataclass(frozen=True)
class Known:
    """What a process knows of a session when its keeper looks at it."""

    session: Session | None
    """As the log tells it; None when it does not, or not any more."""
    deleted: bool = False
    """The session was deleted so long ago that no more is remembered."""
    end: End | None = None
    """What the out journal says, as far as it was read."""
    misses: bool = False
    """See `KeeperState.misses`."""


@dataclass(frozen=True)
class Decision:
    """What a keeper comes to."""

    keeper: KeeperState
    view: View | None = None
    transition: Transition | None = None
    """The one to make now; None when there is nothing to do, for now or any more."""
    over: bool = False
    """The session needs no keeper any more: its assignment may be acknowledged."""


def decide(known: Known, keeper: KeeperState, now: Now, timeouts: Timeouts) -> Decision:
    """What a keeper does next.

    A session of which the log does not tell is about to be announced: a keeper waits for that as
    long as an opening may last.
    """
    session = known.session
    if session is None:
        waits = not known.deleted and now.process - keeper.since < LONGEST_OPENING
        return Decision(keeper, over=not waits)
    keeper = replace(keeper.seeing(session, known.end), misses=known.misses)
    if keeper.is_over(session):
        return Decision(keeper, over=True)
    view = View(session, keeper, now, timeouts)
    return Decision(keeper, view, next_transition(view))


def is_refusal(action: Action, error: CoffeeshopError) -> bool:
    """Whether the session fails by it; else the action is tried again."""
    refused = isinstance(error, BrokerRefuses | JournalBroken)
    return refused and action in (Action.DECLARE, Action.ASSIGN)


def has_no_end_to_write(action: Action, error: CoffeeshopError) -> bool:
    """Whether the session ends as it was to end, since it has no journal for a terminal record."""
    return action is Action.ABORT and isinstance(error, JournalGone)


def opened(event: SessionEvent) -> Session | None:
    """The session that an ``opened`` or a ``snapshot`` begins; None for one of a release that knew
    other specifications."""
    known = event.fields
    try:
        spec = SessionSpec.of(known["spec"])
        plan_of(spec)
    except (KeyError, TypeError, ValueError, ProtocolError, UsageError, CodecError):
        return None
    name, owner = (str(known.get(key, "")) for key in ("name", "owner"))
    gateway, created = known.get("gateway", event.gateway), known.get("created", event.at)
    return Session(spec, gateway, created, name, owner)


def evolve(session: Session, event: SessionEvent, log_time: float) -> Session:
    """The session after its next event. A repeat changes nothing; of two ends the first counts.

    ``log_time`` is on the reader's `LogClock`.
    """
    told, is_open = event.fields, session.state == "open"
    match event.kind:
        case "opened":  # its client asks again: it is there
            return replace(session, last_seen=log_time)
        case "declared" if is_open and not session.declared:
            # A session that ended before counts as never declared: nothing tells of its end but
            # this log.
            # Releases before 0.3 assigned the tasks at once.
            assigned = bool(told.get("assigned", True))
            return replace(session, declared=True, declared_at=event.at, assigned=assigned)
        case "alive":
            # A gateway knows more of itself than its own older words.
            taken = max(session.taken.get(event.gateway, 0), told["bytes"])
            return replace(
                session, last_seen=log_time, taken={**session.taken, event.gateway: taken}
            )
        case "table_ended":
            key = told["table"], str(told.get("producer"))
            tables = {key: told["batches"], **session.tables}
            times = {key: event.at, **session.table_times}
            after = replace(session, last_seen=log_time, fed=True, tables=tables, table_times=times)
            return after if key in session.tables else _left_out(after, key, told)
        case "fed" | "assigned" | "client_gone":
            known: dict[str, Any] = {event.kind: True}
            return replace(session, **known)
        case "bad_rows" if is_open and not session.bad_rows:
            return replace(session, bad_rows=tuple(told["rows"]))
        case "kept" | "shared" | "unshared":
            return _as_asked(session, event)
        # An end does not count when who wrote it thought wrongly that no journal could tell of it.
        case "ended" if is_open and not (session.declared and told.get("undeclared")):
            return replace(session, ended=event.at, **_end(told))
        case "released" if not session.released:
            return replace(session, released=True, released_at=event.at)
        case "expired":
            return replace(session, expired=True)
        case "snapshot":
            return _merge_snapshot(session, told)
    return session


def _as_asked(session: Session, event: SessionEvent) -> Session:
    """What its clients ask of a session beyond its life."""
    if event.kind == "kept":
        return replace(session, kept_until=max(session.kept_until, event.fields["until"]))
    return replace(session, links=_links_after(session.links, event))


def _links_after(links: Mapping[str, float], event: SessionEvent) -> dict[str, float]:
    if event.kind == "unshared":
        return {link: -abs(end) for link, end in links.items()}
    lasting = {link: end for link, end in links.items() if abs(end) > event.at}
    return _merge_links(lasting, {event.fields["link"]: event.fields["until"]})


def _merge_links(known: Mapping[str, float], told: Mapping[str, float]) -> dict[str, float]:
    """A link that was ended stays so, though a record repeats that it was made."""
    both = {link: min(until, known.get(link, until)) for link, until in told.items()}
    return {**known, **both}


def _left_out(session: Session, key: Key, told: Mapping[str, Any]) -> Session:
    rows = told.get("left_out")
    if rows is None:
        return session
    first = (*session.left_out_rows, *rows["first"])[:MOST_LEFT_OUT_ROWS]
    known = {**session.left_out, key: (rows["rows"], rows["of"])}
    return replace(session, left_out=known, left_out_rows=first)


_ONCE = ("declared", "declared_at", "fed", "assigned", "client_gone", "released", "released_at")
"""Fields of a session that are set once and for all."""


def _merge_snapshot(session: Session, told: Mapping[str, Any]) -> Session:
    """What a snapshot knows beyond the session; releases before 0.3 wrote fewer fields."""
    tables = {(table, producer): batches for table, producer, batches in told["tables"]}
    times = {(table, producer): at for table, producer, at in told.get("table_times", ())}
    taken = {
        gateway: max(session.taken.get(gateway, 0), told["taken"].get(gateway, 0))
        for gateway in {**session.taken, **told["taken"]}
    }
    once = {name: getattr(session, name) for name in _ONCE}
    told = {"assigned": told["declared"], **told}
    merged = replace(
        session,
        **{name: known or told.get(name, known) for name, known in once.items()},
        taken=taken,
        tables={**tables, **session.tables},
        table_times={**times, **session.table_times},
        kept_until=max(session.kept_until, told.get("kept_until", 0.0)),
        bad_rows=session.bad_rows or tuple(told.get("bad_rows", ())),
        links=_merge_links(session.links, told.get("links", {})),
        left_out={
            **{(table, name): (rows, of) for table, name, rows, of in told.get("left_out", ())},
            **session.left_out,
        },
        left_out_rows=session.left_out_rows or tuple(told.get("left_out_rows", ())),
    )
    return merged if session.state != "open" else replace(merged, ended=told["ended"], **_end(told))


def _end(told: Mapping[str, Any]) -> dict[str, Any]:
    """How a session ended, as its event or a snapshot tells; releases before 0.3 tell less."""
    return {
        "state": told["state"],
        "reason": str(told.get("reason", "")),
        "result_times": dict(told.get("result_times", {})),
        "result_bytes": int(told.get("result_bytes", 0)),
        "refused": str(told.get("refused", "")),
    }
