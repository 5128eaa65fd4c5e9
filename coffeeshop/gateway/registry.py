"""What every gateway knows of all sessions: the records of ``ctl.sessions`` folded, purely.

The journal is the truth; a gateway that starts reads it from the beginning and knows what the
others know. Records are facts, not commands: a repeat changes nothing, and of two ends of one
session the first in the journal's order counts.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from coffeeshop.errors import CodecError, ProtocolError
from coffeeshop.messages import SessionSpec
from coffeeshop.schema import TABLES
from coffeeshop.transport import Message

SESSIONS = "ctl.sessions"
FactKind = Literal["opened", "alive", "table_ended", "ended", "released", "expired"]
State = Literal["open", "completed", "failed", "cancelled", "aborted"]
_KINDS = ("opened", "alive", "table_ended", "ended", "released", "expired")


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
        except (ValueError, TypeError) as error:
            raise CodecError(f"not a fact about a session: {error}") from error
        if fact.kind not in _KINDS or not isinstance(fact.fields, dict):
            raise CodecError(f"not a kind of fact: {fact.kind}")
        return fact


@dataclass
class Session:
    """What is known of one session."""

    spec: SessionSpec
    gateway: str
    created: float
    name: str = ""
    state: State = "open"
    reason: str = ""
    ended: float | None = None
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

    def public(self) -> dict[str, Any]:
        """The session as the API shows it."""
        return {
            "id": self.spec.id,
            "name": self.name,
            "state": self.state,
            "reason": self.reason,
            "plan": self.spec.plan,
            "producers": self.spec.producers,
            "partitions": self.spec.partitions,
            "created_at": self.created,
            "ended_at": self.ended,
            "uploaded": self.uploaded,
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

    def feed(self, fact: Fact, now: float) -> Session | None:
        """Take the next fact; the session it changed, if it is one that is known.

        ``now`` is the folder's own monotonic clock.
        """
        if fact.kind == "opened":
            return self._opened(fact, now)
        session = self.sessions.get(fact.session)
        if session is None:
            return None
        match fact.kind:
            case "alive":
                session.last_seen = now
                session.taken[fact.gateway] = int(fact.fields.get("bytes", 0))
            case "table_ended":
                session.last_seen = now
                key = str(fact.fields.get("table")), str(fact.fields.get("producer"))
                session.tables.setdefault(key, int(fact.fields.get("batches", 0)))
            case "ended" if session.state == "open":
                session.state = fact.fields.get("state", "failed")
                session.reason = str(fact.fields.get("reason", ""))
                session.ended = fact.at
            case "released":
                session.released = True
            case "expired":
                del self.sessions[fact.session]
        return session

    def open_sessions(self) -> list[Session]:
        """The sessions that have not ended."""
        return [session for session in self.sessions.values() if session.state == "open"]

    def journal_bytes(self) -> int:
        """Bytes of input the broker keeps for all sessions."""
        return sum(session.journal_bytes for session in self.sessions.values())

    def _opened(self, fact: Fact, now: float) -> Session | None:
        known = self.sessions.get(fact.session)
        if known is not None:
            return None
        try:
            spec = SessionSpec(**fact.fields["spec"])
        except (KeyError, TypeError, ProtocolError):
            return None  # written by a release that knew other specifications
        session = Session(spec, fact.gateway, fact.at, str(fact.fields.get("name", "")))
        session.last_seen = now
        self.sessions[fact.session] = session
        return session
