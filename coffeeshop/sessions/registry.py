"""What every gateway knows of all sessions: the records of ``ctl.sessions`` folded, purely.

The journal is the truth; a gateway that starts reads it from the beginning and knows what the
others know. Records are facts, not commands: a repeat changes nothing, and of two ends of one
session the first in the journal's order counts.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Any

from coffeeshop.errors import CodecError, ProtocolError, UsageError
from coffeeshop.pipeline.messages import SessionSpec
from coffeeshop.pipeline.plan import plan_of
from coffeeshop.questions.form import Question
from coffeeshop.sessions.facts import Fact, State

LONGEST_OPENING = 600.0
"""Seconds after which nobody, of several who opened one session, is at it any more."""
EXPIRED = 20_000
"""Expired sessions whose ids are remembered: an id is never used twice."""


def _holds(ended: Fact, session: Session) -> bool:
    """Whether an end counts: not when who wrote it thought wrongly that nobody could hear of it."""
    return not (session.declared and ended.fields.get("undeclared"))


def _may_be_opening(session: Session, at: float) -> bool:
    return not session.declared or at - session.created < LONGEST_OPENING


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
    table_times: dict[tuple[str, str], float] = field(default_factory=dict)
    """When each of them ended, in seconds since 1970 as all times of records."""
    declared_at: float | None = None
    released_at: float | None = None
    result_times: dict[str, float] = field(default_factory=dict)
    """When each query of an ended session was complete."""
    result_bytes: int = 0
    """What the broker keeps of an ended session."""
    kept_until: float = 0.0
    """Nobody deletes the results before, because somebody asked for that."""
    bad_rows: list[dict[str, Any]] = field(default_factory=list)
    """The first rows for which its client gave it up: file, line, column, value, reason."""

    @property
    def journal_bytes(self) -> int:
        """Bytes of input the broker keeps for it."""
        return 0 if self.released else sum(self.taken.values())

    @property
    def uploaded(self) -> bool:
        """Whether every producer ended every table: nobody needs the client any more."""
        return len(self.tables) == len(plan_of(self.spec).tables) * self.spec.producers

    def statement(self) -> dict[str, Any]:
        """All of it but the time its client was last heard of, as the fields of a fact."""
        return {
            "spec": self.spec.fields(),
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
            "table_times": [[*key, at] for key, at in self.table_times.items()],
            "declared_at": self.declared_at,
            "released_at": self.released_at,
            "result_times": self.result_times,
            "result_bytes": self.result_bytes,
            "kept_until": self.kept_until,
            "bad_rows": self.bad_rows,
        }

    def learn(self, statement: dict[str, Any]) -> None:
        """Take over what a statement knows beyond this."""
        self.declared |= statement["declared"]
        self.released |= statement["released"]
        for gateway, size in statement["taken"].items():
            self.taken[gateway] = max(self.taken.get(gateway, 0), size)
        for table, producer, batches in statement["tables"]:
            self.tables.setdefault((table, producer), batches)
        # What follows is not in the records of older releases.
        for table, producer, at in statement.get("table_times", ()):
            self.table_times.setdefault((table, producer), at)
        self.declared_at = self.declared_at or statement.get("declared_at")
        self.released_at = self.released_at or statement.get("released_at")
        self.kept_until = max(self.kept_until, statement.get("kept_until", 0.0))
        self.bad_rows = self.bad_rows or statement.get("bad_rows", [])
        if self.state == "open":
            self.state, self.reason = statement["state"], statement["reason"]
            self.ended = statement["ended"]
            self.result_times = statement.get("result_times", {})
            self.result_bytes = statement.get("result_bytes", 0)

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
            "questions": [
                {"name": each.name, "sql": each.text}
                for each in map(Question.from_json, self.spec.questions)
            ],
            "created_at": self.created,
            "ended_at": self.ended,
            "uploaded": self.uploaded,
            "released": self.released,
            "declared_at": self.declared_at,
            "uploaded_at": self.uploaded_at,
            "released_at": self.released_at,
            "kept_until": self.kept_until or None,
            "input_bytes": sum(self.taken.values()),
            "result_bytes": self.result_bytes,
            "tables": self._by_table(self.tables),
        }

    def details(self) -> dict[str, Any]:
        """What the API shows of one session beyond that."""
        return {
            "tables_ended_at": self._by_table(self.table_times),
            "bad_rows": self.bad_rows if self.state == "failed" else [],
        }

    @property
    def uploaded_at(self) -> float | None:
        """When the last table ended; None before, or when it is not known."""
        return max(self.table_times.values(), default=None) if self.uploaded else None

    def _by_table(self, values: dict[tuple[str, str], Any]) -> dict[str, dict[str, Any]]:
        return {
            table: {p: value for (t, p), value in sorted(values.items()) if t == table}
            for table in plan_of(self.spec).table_names
        }


class Registry:
    """The sessions that are not expired, by id. Not thread-safe."""

    def __init__(self) -> None:
        self.sessions: dict[str, Session] = {}
        self.broken: dict[str, str] = {}
        """Journals of which the broker keeps nothing but the name, and their sessions."""
        self.doubtful: OrderedDict[str, tuple[Session, float]] = OrderedDict()
        """Sessions removed when somebody might still have been opening them, and when that was
        heard: journals may have been made since. Until a fact says that it is ``settled``.
        """
        self._expired: OrderedDict[str, str] = OrderedDict()

    def feed(self, fact: Fact, now: float) -> Session | None:
        """Take the next fact; the session it is about, if that is known.

        ``now`` is the folder's own monotonic clock.
        """
        if fact.kind in ("opened", "restated"):
            self._opened(fact, now)
        self._mind_what_is_left(fact, now)
        session = self.sessions.get(fact.session)
        if session is None:
            return None
        match fact.kind:
            case "declared":
                # A session that ended before counts as never declared: nothing tells of its end
                # but this journal.
                if session.state == "open" and not session.declared:
                    session.declared, session.declared_at = True, fact.at
            case "alive":
                session.last_seen = now
                before = session.taken.get(fact.gateway, 0)
                # A gateway knows more of itself than its own older words.
                session.taken[fact.gateway] = max(before, fact.fields["bytes"])
            case "table_ended":
                session.last_seen = now
                key = fact.fields["table"], str(fact.fields.get("producer"))
                session.tables.setdefault(key, fact.fields["batches"])
                session.table_times.setdefault(key, fact.at)
            case "bad_rows" if session.state == "open" and not session.bad_rows:
                session.bad_rows = fact.fields["rows"]
            case "kept":
                session.kept_until = max(session.kept_until, fact.fields["until"])
            case "ended" if session.state == "open" and _holds(fact, session):
                session.state = fact.fields["state"]
                session.reason = str(fact.fields.get("reason", ""))
                session.ended = fact.at
                session.result_times = dict(fact.fields.get("result_times", {}))
                session.result_bytes = int(fact.fields.get("result_bytes", 0))
            case "released" if not session.released:
                session.released, session.released_at = True, fact.at
            case "restated":
                session.learn(fact.fields)
            case "expired":
                self._expire(fact.session)
        return session

    def forgive(self, seconds: float, now: float) -> None:
        """Whoever folds heard nothing for ``seconds``: they are nobody's silence."""
        if seconds:
            for session in self.sessions.values():
                session.last_seen = min(now, session.last_seen + seconds)

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

    def _mind_what_is_left(self, fact: Fact, now: float) -> None:
        if fact.kind == "expired":
            session = self.sessions.get(fact.session)
            if fact.fields.get("settled"):
                self.doubtful.pop(fact.session, None)
            elif session is not None and _may_be_opening(session, fact.at):
                self.doubtful[fact.session] = session, now
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
            spec = SessionSpec.of(fact.fields["spec"])
            plan_of(spec)
        except (KeyError, TypeError, ValueError, ProtocolError, UsageError, CodecError):
            return  # written by a release that knew other specifications
        name, owner = (str(fact.fields.get(key, "")) for key in ("name", "owner"))
        gateway = fact.fields.get("gateway", fact.gateway)
        created = fact.fields.get("created", fact.at)
        session = Session(spec, gateway, created, name, owner)
        session.last_seen = now
        self.sessions[fact.session] = session
