"""The records of ``ctl.sessions``: facts about sessions, and how they are read and written."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, get_args

from coffeeshop.errors import CodecError
from coffeeshop.schema import CATALOG
from coffeeshop.transport import Message

SESSIONS = "ctl.sessions"
FactKind = Literal[
    "started",
    "opened",
    "declared",
    "alive",
    "table_ended",
    "bad_rows",
    "ended",
    "kept",
    "released",
    "expired",
    "mended",
    "restated",
]
"""``started`` is of a gateway (and of no session), and so is an ``alive`` with no session, by which
it hears that it hears; the others are of a session. ``released`` and
``expired`` name the journals the broker could not let go of, ``mended`` one that it since has.
``restated`` repeats what is known of a session, for who begins to read when older facts are gone.
``bad_rows`` names the rows for which a client gives a session up; the end follows. ``kept`` is the
moment before which nobody deletes the results.
"""
State = Literal["open", "completed", "failed", "cancelled", "aborted"]
_KINDS = get_args(FactKind)
_ENDS = get_args(State)[1:]


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
            raise CodecError(f"not a valid session record: {error}") from error
        typed = isinstance(fact.session, str) and isinstance(fact.gateway, str)
        if not typed or not isinstance(fact.at, int | float) or not isinstance(fact.fields, dict):
            raise CodecError(f"not a valid session record: {message.body[:200]!r}")
        if fact.kind not in _KINDS or not _makes_sense(fact):
            raise CodecError(f"not a known kind of session record: {fact.kind} {fact.fields}")
        return fact


def _makes_sense(fact: Fact) -> bool:
    match fact.kind:
        case "alive":
            return isinstance(fact.fields.get("bytes"), int)
        case "table_ended":
            return fact.fields.get("table") in CATALOG and isinstance(
                fact.fields.get("batches"), int
            )
        case "ended":
            return fact.fields.get("state") in _ENDS
        case "bad_rows":
            rows = fact.fields.get("rows")
            return isinstance(rows, list) and all(isinstance(row, dict) for row in rows)
        case "kept":
            return isinstance(fact.fields.get("until"), int | float)
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
            return table in CATALOG
    return False
