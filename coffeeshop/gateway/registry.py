"""What every gateway knows of all sessions: the records of ``ctl.sessions`` folded, purely.

The journal is the truth; a gateway that starts reads it from the beginning and knows what the
others know. Records are facts, not commands: a repeat changes nothing, and of two ends of one
session the first in the journal's order counts.
"""

from __future__ import annotations

import json
from collections import OrderedDict
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, get_args

from coffeeshop.errors import CodecError, ProtocolError, UsageError
from coffeeshop.messages import SessionSpec
from coffeeshop.plan import plan_named
from coffeeshop.schema import TABLES
from coffeeshop.transport import Message

SESSIONS = "ctl.sessions"
FactKind = Literal[
    "started",
    "opened",
    "declared",
    "alive",
    "table_ended",
    "ended",
    "released",
    "expired",
    "mended",
    "restated",
]
"""``started`` is of a gateway (and of no session), the others are of a session. ``released`` and
``expired`` name the journals the broker could not let go of, ``mended`` one that it since has.
``restated`` repeats what is known of a session, for who begins to read when older facts are gone.
"""
State = Literal["open", "completed", "failed", "cancelled", "aborted"]
_KINDS = get_args(FactKind)
_ENDS = get_args(State)[1:]
EXPIRED = 20_000
"""Expired sessions whose ids are remembered: an id is never used twice."""


@dataclass(frozen=True)
class Fact:
    """One record of ``ctl.sessions``. ``at`` is in seconds since 1970, ``fields`` is flat."""

    kind: FactKind
    session: str
    gateway: str
    at: float
    fields: dict[str, Any] = field(default_factory=dict)

    def message(self) -> Message:
        """The fact as a transport carries it."""
        return Message({"kind": self.kind}, json.dumps(asdict(self), sort_keys=True).encode())

    @classmethod
    def of(cls, message: Message) -> Fact:
        """The inverse of `message`; raises `CodecError` for anything else."""
        try:
            fact = cls(**json.loads(message.body))
        except (ValueError, TypeError, RecursionError) as error:
            raise CodecError(f"not a fact about a session: {error}") from error
        typed = isinstance(fact.session, str) and isinstance(fact.gateway, str)
        if not typed or not isinstance(fact.at, int | float) or not isinstance(fact.fields, dict):
            raise CodecError(f"not a fact about a session: {message.body[:200]!r}")
        if fact.kind not in _KINDS or not _makes_sense(fact):
            raise CodecError(f"not a kind of fact: {fact.kind} {fact.fields}")
        return fact


def _makes_sense(fact: Fact) -> bool:
    match fact.kind:
        case "alive":
            return isinstance(fact.fields.get("bytes"), int)
        case "table_ended":
            return fact.fields.get("table") in TABLES and isinstance(
                fact.fields.get("batches"), int
            )
        case "ended":
            return fact.fields.get("state") in _ENDS
        case "mended":
            return isinstance(fact.fields.get("journal"), str)
        case "restated":
            return _is_statement(fact.fields)
    return True


def _is_statement(fields: dict[str, Any]) -> bool:
    match fields:
        case {
            "gateway": str(),
            "created": int() | float(),
            "declared": bool(),
            "released": bool(),
            "state": str(state),
            "reason": str(),
            "ended": None | int() | float(),
            "tables": list(tables),
            "taken": dict(taken),
        }:
            return (
                state in get_args(State)
                and all(_is_end(each) for each in tables)
                and all(isinstance(size, int) for size in taken.values())
            )
    return False


def _is_end(each: object) -> bool:
    match each:
        case [str(table), str(), int()]:
            return table in TABLES
    return False


@dataclass
class Session:
    """What is known of one session."""

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
    """Whether its journals exist and its tasks wait for nodes: from then on it is fed."""
    released: bool = False
    last_seen: float = 0.0
    """On the clock of whoever folds, not of whoever wrote."""
    taken: dict[str, int] = field(default_factory=dict)
    """Bytes each gateway has appended, by gateway."""
    tables: dict[tuple[str, str], int] = field(default_factory=dict)
    """Batches of each (table, producer) that ended."""

    @property
    def journal_bytes(self) -> int:
        """Bytes of input the broker keeps for it."""
        return 0 if self.released else sum(self.taken.values())

    @property
    def uploaded(self) -> bool:
        """Whether every producer ended every table: nobody needs the client any more."""
        return len(self.tables) == len(TABLES) * self.spec.producers

    def statement(self) -> dict[str, Any]:
        """All of it but the time its client was last heard of, as the fields of a fact."""
        return {
            "spec": asdict(self.spec),
            "gateway": self.gateway,
            "created": self.created,
            "name": self.name,
            "owner": self.owner,
            "state": self.state,
            "reason": self.reason,
            "ended": self.ended,
            "declared": self.declared,
            "released": self.released,
            "taken": self.taken,
            "tables": [[table, producer, n] for (table, producer), n in self.tables.items()],
        }

    def learn(self, statement: dict[str, Any]) -> None:
        """Take over what a statement knows beyond this."""
        self.declared |= statement["declared"]
        self.released |= statement["released"]
        for gateway, size in statement["taken"].items():
            self.taken[gateway] = max(self.taken.get(gateway, 0), size)
        for table, producer, batches in statement["tables"]:
            self.tables.setdefault((table, producer), batches)
        if self.state == "open":
            self.state, self.reason = statement["state"], statement["reason"]
            self.ended = statement["ended"]

    def public(self) -> dict[str, Any]:
        """The session as the API shows it."""
        return {
            "id": self.spec.id,
            "name": self.name,
            "owner": self.owner,
            "state": self.state,
            "reason": self.reason,
            "plan": self.spec.plan,
            "producers": self.spec.producers,
            "partitions": self.spec.partitions,
            "created_at": self.created,
            "ended_at": self.ended,
            "uploaded": self.uploaded,
            "released": self.released,
            "input_bytes": sum(self.taken.values()),
            "tables": {
                table: {p: n for (t, p), n in sorted(self.tables.items()) if t == table}
                for table in TABLES
            },
        }


class Registry:
    """The sessions that are not expired, by id. Not thread-safe."""

    def __init__(self) -> None:
        self.sessions: dict[str, Session] = {}
        self.broken: dict[str, str] = {}
        """Journals of which the broker keeps nothing but the name, and their sessions."""
        self._expired: OrderedDict[str, str] = OrderedDict()

    def feed(self, fact: Fact, now: float) -> Session | None:
        """Take the next fact; the session it is about, if that is known.

        ``now`` is the folder's own monotonic clock.
        """
        if fact.kind in ("opened", "restated"):
            self._opened(fact, now)
        self._mind_broken(fact)
        session = self.sessions.get(fact.session)
        if session is None:
            return None
        match fact.kind:
            case "declared":
                session.declared = True
            case "alive":
                session.last_seen = now
                before = session.taken.get(fact.gateway, 0)
                # A gateway knows more of itself than its own older words.
                session.taken[fact.gateway] = max(before, fact.fields["bytes"])
            case "table_ended":
                session.last_seen = now
                key = fact.fields["table"], str(fact.fields.get("producer"))
                session.tables.setdefault(key, fact.fields["batches"])
            case "ended" if session.state == "open":
                session.state = fact.fields["state"]
                session.reason = str(fact.fields.get("reason", ""))
                session.ended = fact.at
            case "released":
                session.released = True
            case "restated":
                session.learn(fact.fields)
            case "expired":
                self._expire(fact.session)
        return session

    def expired_owner(self, session: str) -> str | None:
        """Whose the session was; None when there was none of that id, lately."""
        return self._expired.get(session)

    def journal_bytes(self) -> int:
        """Bytes of input the broker keeps for all sessions."""
        return sum(session.journal_bytes for session in self.sessions.values())

    def _expire(self, session: str) -> None:
        self._expired[session] = self.sessions.pop(session).owner
        while len(self._expired) > EXPIRED:
            self._expired.popitem(last=False)

    def _mind_broken(self, fact: Fact) -> None:
        match fact.kind:
            case "released" | "expired":
                for journal in str(fact.fields.get("broken", "")).split():
                    self.broken[journal] = fact.session
            case "mended":
                self.broken.pop(fact.fields["journal"], None)

    def _opened(self, fact: Fact, now: float) -> None:
        if fact.session in self.sessions or fact.session in self._expired:
            return
        try:
            spec = SessionSpec(**fact.fields["spec"])
            plan_named(spec.plan)
        except (KeyError, TypeError, ProtocolError, UsageError):
            return  # written by a release that knew other specifications
        name, owner = (str(fact.fields.get(key, "")) for key in ("name", "owner"))
        gateway = fact.fields.get("gateway", fact.gateway)
        created = fact.fields.get("created", fact.at)
        session = Session(spec, gateway, created, name, owner)
        session.last_seen = now
        self.sessions[fact.session] = session
