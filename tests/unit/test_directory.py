"""Events of sessions folded into what every gateway knows."""

from __future__ import annotations

import json
from dataclasses import FrozenInstanceError, replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coffeeshop.errors import CodecError
from coffeeshop.gateway.session_bodies import public
from coffeeshop.pipeline.messages import SessionSpec
from coffeeshop.schema import TABLES
from coffeeshop.sessions import log as module
from coffeeshop.sessions.events import EventKind, SessionEvent
from coffeeshop.sessions.lifecycle import Session
from coffeeshop.sessions.log import Directory
from coffeeshop.transport import Message

SPEC = SessionSpec("s1", "staged", 2, 3)


def event(kind: EventKind, gateway: str = "g1", session: str = "s1", **fields: Any) -> SessionEvent:
    if kind == "opened":
        fields = {"spec": SPEC.fields() | {"id": session}, "name": "shop", **fields}
    return SessionEvent(kind, session, gateway, 100.0, fields)


def folded(*events: SessionEvent) -> Directory:
    directory = Directory()
    for number, each in enumerate(events):
        directory.apply(SessionEvent.of(each.message()), 7.0 + number, 50.0, number)
    return directory


def ended(state: str, gateway: str = "g1", reason: str = "", **more: Any) -> SessionEvent:
    return event("ended", gateway, state=state, reason=reason, **more)


def table_ended(table: str, producer: int, batches: int = 1) -> SessionEvent:
    return event("table_ended", table=table, producer=str(producer), batches=batches)


def test_an_opened_session_is_known_with_all_it_was_opened_with() -> None:
    session = folded(event("opened")).sessions["s1"]
    assert (session.spec, session.gateway, session.name) == (SPEC, "g1", "shop")
    assert (session.created, session.last_seen, session.state) == (100.0, 7.0, "open")
    assert not session.declared


def test_what_is_known_of_a_session_never_changes_under_its_reader() -> None:
    directory = folded(event("opened"))
    before = directory.sessions["s1"]
    directory.apply(ended("cancelled"), 9.0, 50.0, 0)
    assert before.state == "open"
    with pytest.raises(FrozenInstanceError):
        before.state = "failed"  # type: ignore[misc]


def test_of_two_openings_of_one_id_the_first_counts() -> None:
    other = {**SPEC.fields(), "plan": "fused"}
    directory = folded(event("opened"), event("opened", "g2", spec=other))
    assert directory.sessions["s1"].spec == SPEC
    assert directory.sessions["s1"].gateway == "g1"


def test_of_two_ends_the_first_counts() -> None:
    session = folded(event("opened"), ended("cancelled"), ended("completed")).sessions["s1"]
    assert (session.state, session.ended) == ("cancelled", 100.0)


def test_who_missed_that_a_session_is_declared_does_not_end_it() -> None:
    too_late = ended("cancelled", undeclared=True)
    assert folded(event("opened"), event("declared"), too_late).sessions["s1"].state == "open"
    assert folded(event("opened"), too_late).sessions["s1"].state == "cancelled"


def test_a_session_that_ended_before_is_never_declared() -> None:
    session = folded(event("opened"), ended("cancelled"), event("declared")).sessions["s1"]
    assert (session.declared, session.declared_at) == (False, None)


def test_events_of_sessions_nobody_opened_change_nothing() -> None:
    directory = folded(ended("failed"), event("released"), event("expired"), event("declared"))
    assert directory.sessions == {}
    assert directory.expired == {}


@pytest.mark.parametrize(
    "spec",
    [
        None,
        {"id": "s1", "colour": "red"},
        {"id": "s1", "producers": 0},
        {**SPEC.fields(), "plan": "a plan of next year"},
    ],
)
def test_sessions_of_another_release_are_left_alone(spec: object) -> None:
    assert folded(event("opened", spec=spec)).sessions == {}


def test_an_expired_session_is_forgotten_and_its_id_is_not_used_again() -> None:
    directory = folded(event("opened"), ended("completed"), event("expired"), event("opened"))
    assert directory.sessions == {}
    assert "s1" in directory.expired
    assert directory.last["s1"].expired


def test_only_so_many_expired_ids_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "REMEMBERED", 2)
    ids = ("a", "b", "c")
    kinds: tuple[EventKind, ...] = ("opened", "expired")
    directory = folded(*(event(kind, session=name) for name in ids for kind in kinds))
    assert list(directory.expired) == ["b", "c"]


def test_bytes_are_added_over_gateways_and_gone_with_the_release() -> None:
    events = [event("opened"), event("alive", bytes=5), event("alive", "g2", bytes=7)]
    events.append(event("alive", bytes=6))
    assert folded(*events).sessions["s1"].journal_bytes == 13
    session = folded(*events, event("released")).sessions["s1"]
    assert session.journal_bytes == 0
    assert public(session)["input_bytes"] == 13


def test_a_session_is_uploaded_when_every_producer_ended_every_table() -> None:
    events = [table_ended(table, producer) for table in TABLES for producer in (0, 1)]
    assert not folded(event("opened"), *events[:-1]).sessions["s1"].uploaded
    assert folded(event("opened"), *events).sessions["s1"].uploaded


def test_of_two_counts_of_one_table_the_first_counts() -> None:
    directory = folded(event("opened"), table_ended("users", 0, 3), table_ended("users", 0, 4))
    assert public(directory.sessions["s1"])["tables"]["users"] == {"0": 3}


def test_what_is_public_is_json_and_complete() -> None:
    directory = folded(event("opened"), ended("failed", reason="why"), event("released"))
    shown = json.loads(json.dumps(public(directory.sessions["s1"])))
    assert shown["id"] == "s1"
    assert (shown["state"], shown["reason"], shown["released"]) == ("failed", "why", True)
    assert (shown["plan"], shown["producers"], shown["partitions"]) == ("staged", 2, 3)


def test_names_that_the_broker_keeps_are_known_until_one_is_deleted() -> None:
    directory = folded(
        event("opened"),
        event("released", broken="in.a in.b"),
        event("orphan_deleted", journal="in.a"),
        event("orphan_deleted", journal="never heard of"),
    )
    assert directory.broken == {"in.b": "s1"}


def test_a_session_deleted_while_it_may_be_created_is_a_possible_orphan_until_that_is_settled() -> (
    None
):
    deleted = [event("opened"), ended("cancelled"), event("expired")]
    assert list(folded(*deleted).possible_orphans) == ["s1"]
    assert folded(*deleted, event("expired", settled=True)).possible_orphans == {}
    old = replace(event("expired"), at=100.0 + 601.0)
    assert folded(event("opened"), event("declared"), old).possible_orphans == {}


@pytest.mark.parametrize(
    "each",
    [
        event("opened"),
        event("started", session=""),
        event("declared"),
        event("alive", bytes=3),
        table_ended("users", 1),
        event("client_gone"),
        ended("aborted"),
        event("released"),
        event("expired"),
    ],
    ids=lambda each: each.kind,
)
def test_an_event_travels_unchanged(each: SessionEvent) -> None:
    assert SessionEvent.of(each.message()) == each


@pytest.mark.parametrize(("old", "new"), [("restated", "snapshot"), ("mended", "orphan_deleted")])
def test_the_names_that_release_0_2_wrote_are_read(old: Any, new: str) -> None:
    (session,) = folded(event("opened")).sessions.values()
    written = SessionEvent(old, "s1", "g1", 1.0, {**session.to_snapshot(), "journal": "in.a"})
    assert SessionEvent.of(written.message()).kind == new


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "null",
        "{}",
        "[" * 100_000,
        '{"kind": "sung", "session": "s", "gateway": "g", "at": 1}',
        '{"kind": ["opened"], "session": "s", "gateway": "g", "at": 1}',
        '{"kind": "released", "session": ["s"], "gateway": "g", "at": 1}',
        '{"kind": "released", "session": "s", "gateway": "g", "at": "now"}',
        '{"kind": "released", "session": "s", "gateway": "g", "at": 1, "fields": []}',
        '{"kind": "alive", "session": "s", "gateway": "g", "at": 1, "fields": {"bytes": "x"}}',
        '{"kind": "ended", "session": "s", "gateway": "g", "at": 1, "fields": {"state": "open"}}',
        '{"kind": "table_ended", "session": "s", "gateway": "g", "at": 1, "fields": {}}',
        '{"kind": "table_ended", "session": "s", "gateway": "g", "at": 1,'
        ' "fields": {"table": "users"}}',
    ],
    ids=range(14),
)
def test_anything_else_is_no_event(text: str) -> None:
    with pytest.raises(CodecError):
        SessionEvent.of(Message({}, text.encode()))


# Snapshots: the log drops its beginning.

HISTORY = [
    event("opened", owner="al"),
    event("declared"),
    event("alive", bytes=7),
    table_ended("stores", 0, 2),
    table_ended("users", 0),
    event("client_gone"),
    ended("failed", reason="poison"),
    event("released"),
]


def known_after(events: list[SessionEvent]) -> Session | None:
    return folded(*events).sessions.get("s1")


def snapshot(events: list[SessionEvent]) -> SessionEvent:
    known = known_after(events)
    assert known is not None
    return SessionEvent("snapshot", "s1", "g2", 900.0, known.to_snapshot())


@settings(deadline=None)
@given(st.integers(1, len(HISTORY)), st.integers(0, len(HISTORY)), st.integers(0, len(HISTORY)))
def test_a_reader_from_whom_the_beginning_is_cut_off_knows_the_same_in_the_end(
    stated_at: int, late: int, cut: int
) -> None:
    # A snapshot is written a little after its writer has read what it says, then another one.
    at = min(stated_at + late, len(HISTORY))
    events = [*HISTORY[:at], snapshot(HISTORY[:stated_at]), *HISTORY[at:], snapshot(HISTORY)]
    assert known_after(events) == known_after(events[min(cut, at) :]) == known_after(HISTORY)


def test_a_snapshot_is_no_sign_of_life_and_states_the_session_anew() -> None:
    session = known_after([event("opened"), event("alive", bytes=1), snapshot(HISTORY[:1])])
    assert session is not None
    assert (session.last_seen, session.stated_at) == (8.0, 2)


def test_a_snapshot_does_not_bring_back_what_expired() -> None:
    assert known_after([event("opened"), event("expired"), snapshot([event("opened")])]) is None


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("gateway", 5),
        ("created", "now"),
        ("declared", 1),
        ("state", "asleep"),
        ("ended", "never"),
        ("tables", [["stores", "0"]]),
        ("tables", [["shoes", "0", 1]]),
        ("taken", {"g1": "much"}),
        ("released", None),
    ],
)
def test_a_snapshot_that_is_not_valid_is_none(field: str, value: Any) -> None:
    told = snapshot(HISTORY)
    wrong = replace(told, fields={**told.fields, field: value})
    with pytest.raises(CodecError):
        SessionEvent.of(wrong.message())
    missing = {key: kept for key, kept in told.fields.items() if key != field}
    with pytest.raises(CodecError):
        SessionEvent.of(replace(told, fields=missing).message())
