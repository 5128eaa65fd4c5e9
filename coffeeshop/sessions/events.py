"""The records of ``ctl.sessions``: what happened to sessions, and how it is written and read."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, get_args

from coffeeshop.errors import CodecError
from coffeeshop.schema import CATALOG
from coffeeshop.transport import Message

SESSIONS = "ctl.sessions"
EventKind = Literal[
    "started",
    "opened",
    "declared",
    "fed",
    "assigned",
    "alive",
    "table_ended",
    "client_gone",
    "bad_rows",
    "ended",
    "kept",
    "shared",
    "unshared",
    "released",
    "expired",
    "orphan_deleted",
    "snapshot",
]
"""``started`` is of a gateway (and of no session), and so is an ``alive`` with no session: a ping,
by which a gateway measures that it hears. The others are of a session. ``fed``: a client began to
send; ``assigned``: therefore its tasks wait for nodes. ``released`` and ``expired`` name the
journals the broker could not let go of, ``orphan_deleted`` one that it since has. ``snapshot``
repeats what is known of a session, for readers that begin when older events are gone.
``client_gone``: its tasks were told that its clients left. ``bad_rows`` names the rows for which a
client gives a session up; the end follows. ``kept`` is the moment before which the results are not
deleted. ``shared``: a link with a token of that hash shows the session until then; ``unshared``:
none of the links until now does.
"""
State = Literal["open", "completed", "failed", "cancelled", "aborted"]
RELEASE_0_2 = {"restated": "snapshot", "mended": "orphan_deleted"}
"""The names that release 0.2 wrote, and today's."""
_KINDS = get_args(EventKind)
_ENDS = get_args(State)[1:]


@dataclass(frozen=True)
class End:
    """How a session ends: as its out journal says, or, where that tells nothing, its keeper."""

    state: State
    reason: str = ""
    result_times: Mapping[str, float] = field(default_factory=dict)
    """When each query was complete, in seconds since 1970."""
    result_bytes: int = 0
    """What the broker keeps of it."""
    refused: str = ""
    """The name of the error for which its journals could not be created."""

    @property
    def event(self) -> tuple[str, dict[str, str]]:
        """Name and data of the session's last event, as clients see it."""
        return self.state, {} if self.state == "completed" else {"reason": self.reason}


@dataclass(frozen=True)
class SessionEvent:
    """One record of ``ctl.sessions``. ``at`` is in seconds since 1970, ``fields`` is flat."""

    kind: EventKind
    session: str
    gateway: str
    at: float
    fields: dict[str, Any] = field(default_factory=dict)

    def message(self) -> Message:
        """The event as a transport carries it."""
        return Message({"kind": self.kind}, json.dumps(asdict(self), sort_keys=True).encode())

    @classmethod
    def of(cls, message: Message) -> SessionEvent:
        """The inverse of `message`; raises `CodecError` for anything else."""
        try:
            fields = json.loads(message.body)
            event = cls(**{**fields, "kind": RELEASE_0_2.get(fields["kind"], fields["kind"])})
        except (ValueError, TypeError, KeyError, RecursionError) as error:
            raise CodecError(f"not a valid session record: {error}") from error
        typed = isinstance(event.session, str) and isinstance(event.gateway, str)
        if not typed or not isinstance(event.at, int | float) or not isinstance(event.fields, dict):
            raise CodecError(f"not a valid session record: {message.body[:200]!r}")
        if event.kind not in _KINDS or not _is_valid(event):
            raise CodecError(f"not a known kind of session record: {event.kind} {event.fields}")
        return event


def _is_valid(event: SessionEvent) -> bool:
    match event.kind:
        case "alive":
            return isinstance(event.fields.get("bytes"), int)
        case "table_ended":
            return (
                event.fields.get("table") in CATALOG
                and isinstance(event.fields.get("batches"), int)
                and _is_left_out(event.fields.get("left_out"))
            )
        case "ended":
            return event.fields.get("state") in _ENDS
        case "bad_rows":
            rows = event.fields.get("rows")
            return isinstance(rows, list) and all(isinstance(row, dict) for row in rows)
        case "kept":
            return isinstance(event.fields.get("until"), int | float)
        case "shared":
            until = event.fields.get("until")
            return isinstance(event.fields.get("link"), str) and isinstance(until, int | float)
        case "orphan_deleted":
            return isinstance(event.fields.get("journal"), str)
        case "snapshot":
            return _is_snapshot(event.fields)
    return True


def _is_left_out(told: object) -> bool:
    match told:
        case None:
            return True
        case {"rows": int(), "of": int(), "first": list(first)}:
            return all(isinstance(row, dict) for row in first)
    return False


def _is_snapshot(fields: dict[str, Any]) -> bool:
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
