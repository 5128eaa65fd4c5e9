"""The life of a session as its table of transitions has it: no threads, no clocks, no broker."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coffeeshop.pipeline.messages import SessionSpec
from coffeeshop.schema import TABLES
from coffeeshop.sessions import lifecycle
from coffeeshop.sessions.events import End, SessionEvent
from coffeeshop.sessions.lifecycle import (
    ASKED_AGAIN,
    DAY,
    FROM_OUTSIDE,
    TRANSITIONS,
    Action,
    KeeperState,
    LogClock,
    Now,
    Phase,
    Session,
    Timeouts,
    View,
    evolve,
    next_transition,
)
from coffeeshop.sessions.steps import Write, steps_of
from scripts import lifecycle_drawing

SPEC = SessionSpec("s1")
OPENING = Session(SPEC, "g", 0.0)
OPEN = replace(OPENING, declared=True)
UPLOADED = replace(OPEN, tables={(table, "0"): 1 for table in TABLES})
GONE = replace(UPLOADED, client_gone=True)
ENDED = replace(OPEN, state="failed", ended=5.0)
RELEASED = replace(ENDED, released=True)
SESSIONS = {s.phase: s for s in (OPENING, OPEN, UPLOADED, GONE, ENDED, RELEASED)}
SESSIONS[Phase.EXPIRED] = replace(RELEASED, expired=True)
TIMEOUTS = Timeouts(client_timeout=60.0, result_ttl=100.0, session_ttl=1000.0)
WATCHING = KeeperState(watching=True)
REFUSED = End("failed", "no", refused="BrokerFull")
GAVE_UP = End("failed", "failed too often")


def view(session: Session, keeper: KeeperState = WATCHING, **now: Any) -> View:
    return View(session, keeper, replace(Now(0.0, 0.0, 0.0), **now), TIMEOUTS)


def action(session: Session, keeper: KeeperState = WATCHING, **now: Any) -> Action | None:
    row = next_transition(view(session, keeper, **now))
    return None if row is None else row.action


@pytest.mark.parametrize(
    ("session", "keeper", "now", "wanted"),
    [
        (OPENING, KeeperState(), {}, Action.DECLARE),
        (OPENING, KeeperState(), {"log": 61.0}, Action.RECORD_END),
        (OPENING, KeeperState(failure=REFUSED), {}, Action.RECORD_END),
        (OPENING, KeeperState(failure=GAVE_UP), {}, Action.RECORD_END),
        (OPEN, KeeperState(), {}, Action.WATCH),
        (OPEN, WATCHING, {"log": 60.0, "wall": 1000.0}, None),
        (replace(OPEN, fed=True), WATCHING, {}, Action.ASSIGN),
        (replace(OPEN, fed=True, assigned=True), WATCHING, {}, None),
        (OPEN, WATCHING, {"log": 61.0}, Action.ABORT),
        (OPEN, WATCHING, {"wall": 1001.0}, Action.ABORT),
        (OPEN, replace(WATCHING, asked_at=0.0), {"log": 61.0, "process": ASKED_AGAIN}, None),
        (OPEN, replace(WATCHING, asked_at=0.0), {"log": 61.0, "process": 31.0}, Action.ABORT),
        (OPEN, replace(WATCHING, failure=GAVE_UP), {}, Action.ABORT),
        (OPEN, replace(WATCHING, end=End("completed")), {"log": 61.0}, Action.RECORD_END),
        (UPLOADED, WATCHING, {"log": 60.0}, None),
        (UPLOADED, WATCHING, {"log": 61.0}, Action.GIVE_UP_CLIENT),
        (GONE, WATCHING, {"log": 1e6}, None),
        (GONE, WATCHING, {"wall": 1001.0}, Action.ABORT),
        (ENDED, KeeperState(), {}, Action.RELEASE),
        (RELEASED, KeeperState(), {"wall": 105.0}, None),
        (RELEASED, KeeperState(), {"wall": 106.0}, Action.EXPIRE),
        (replace(RELEASED, kept_until=200.0), KeeperState(), {"wall": 200.0}, None),
        (RELEASED, KeeperState(created=True), {}, Action.RELEASE),
        (SESSIONS[Phase.EXPIRED], KeeperState(created=True), {}, Action.EXPIRE),
        (SESSIONS[Phase.EXPIRED], KeeperState(), {"wall": 1e9}, None),
    ],
)
def test_what_a_keeper_does(
    session: Session, keeper: KeeperState, now: dict[str, float], wanted: Action | None
) -> None:
    assert action(session, keeper, **now) is wanted


@pytest.mark.parametrize("phase", [p for p in Phase if p is not Phase.EXPIRED])
def test_a_session_whose_beginning_the_log_is_about_to_drop_is_stated_anew(phase: Phase) -> None:
    written = lifecycle.SNAPSHOT_AFTER
    assert action(SESSIONS[phase], written=written) is not Action.SNAPSHOT
    assert action(SESSIONS[phase], written=written + 1) is Action.SNAPSHOT
    stated = replace(SESSIONS[phase], stated_at=1)
    assert action(stated, written=written + 1) is not Action.SNAPSHOT


KEEPERS = [
    KeeperState(),
    WATCHING,
    KeeperState(watching=True, end=End("completed")),
    KeeperState(failure=REFUSED),
    KeeperState(created=True),
    KeeperState(watching=True, misses=True),
    KeeperState(watching=True, failure=GAVE_UP),
]
MOMENTS = [{}, {"log": 61.0}, {"wall": 1e9}, {"written": 1 << 40}]


@pytest.mark.parametrize("row", TRANSITIONS, ids=lambda row: f"{row.phase.value} {row.action.name}")
def test_each_row_happens_and_its_event_leads_where_it_says(row: lifecycle.Transition) -> None:
    session = SESSIONS[row.phase]
    views = [
        view(each, keeper, **now)
        for each in (session, replace(session, fed=True))
        for keeper in KEEPERS
        for now in MOMENTS
    ]
    (found, *_) = [each for each in views if next_transition(each) is row]
    session = found.session
    written = [s for s in steps_of(row.action, found, "g") if isinstance(s, Write)]
    assert [each.kind for each in written] == ([] if row.event is None else [row.event])
    for each in written:
        event = SessionEvent(each.kind, "s1", "g", 9.0, dict(each.fields))
        session = evolve(session, SessionEvent.of(event.message()), 0.0)
    assert session.phase is row.then


@pytest.mark.parametrize(("phase", "kind", "then"), FROM_OUTSIDE)
def test_what_clients_bring_about_leads_where_the_table_says(
    phase: Phase, kind: Any, then: Phase
) -> None:
    session = SESSIONS[phase]
    fields: dict[str, Any] = {"ended": {"state": "cancelled"}}.get(kind, {})
    tables = TABLES if kind == "table_ended" else [""]
    for table in tables:
        fields = {**fields, "table": table, "producer": "0", "batches": 1}
        session = evolve(session, SessionEvent(kind, "s1", "g", 9.0, fields), 0.0)
    assert session.phase is then


ORDER = list(Phase)
EVENTS = st.one_of(
    st.sampled_from(["declared", "client_gone", "released", "expired"]).map(lambda k: (k, {})),
    st.sampled_from(list(TABLES)).map(
        lambda t: ("table_ended", {"table": t, "producer": "0", "batches": 1})
    ),
    st.tuples(st.sampled_from(["completed", "failed", "aborted"]), st.booleans()).map(
        lambda e: ("ended", {"state": e[0], "undeclared": e[1]})
    ),
    st.integers(0, 9).map(lambda n: ("alive", {"bytes": n})),
    st.floats(0, 500).map(lambda until: ("kept", {"until": until})),
)


@settings(max_examples=300)
@given(st.lists(EVENTS, max_size=25))
def test_a_session_returns_to_no_phase_that_it_left(events: list[tuple[Any, Any]]) -> None:
    session = OPENING
    ends = set()
    for kind, fields in events:
        after = evolve(session, SessionEvent(kind, "s1", "g", 9.0, fields), 0.0)
        assert ORDER.index(after.phase) >= ORDER.index(session.phase)
        session = after
        ends |= {session.state} - {"open"}
    assert len(ends) <= 1


@settings(max_examples=300)
@given(st.lists(EVENTS, max_size=25), st.lists(st.sampled_from([0.0, 30.0, 61.0]), max_size=40))
def test_a_keeper_that_is_never_disturbed_brings_every_session_to_its_end(
    events: list[tuple[Any, Any]], steps: list[float]
) -> None:
    """Whatever happened before: with time the log alone leads to the deletion of all of it."""
    session, keeper, at = OPENING, KeeperState(), 0.0
    for kind, fields in events:
        session = evolve(session, SessionEvent(kind, "s1", "g", 9.0, fields), at)
    for passed in [*steps, *[5000.0] * 12]:
        at += passed
        now = view(session, keeper, log=at, wall=at, process=at)
        row = next_transition(now)
        if row is None:
            continue
        if row.action is Action.WATCH:
            keeper = replace(keeper, watching=True)
        if row.action is Action.ABORT:  # its record is the first on the out journal
            keeper = replace(keeper, asked_at=at, end=now.overdue)
        for step in steps_of(row.action, now, "g"):
            if isinstance(step, Write):
                event = SessionEvent(step.kind, "s1", "g", at, dict(step.fields))
                session = evolve(session, event, at)
    assert session.phase is Phase.EXPIRED


def test_the_reasons_of_an_abort_say_what_it_is() -> None:
    def reason(**now: float) -> str:
        end = view(OPEN, **now).overdue
        assert end is not None
        assert end.state == "aborted"
        return end.reason

    assert reason(log=61.0) == "the client sent nothing for 60 s"
    assert reason(wall=1001.0) == "the session did not complete within 1000 s (--session-ttl)"
    assert "400 days old: are they right?" in reason(wall=400 * DAY)


def test_what_the_broker_refused_to_one_keeper_fails_no_session_that_another_opened() -> None:
    assert KeeperState(failure=REFUSED).seeing(OPENING, None).failure == REFUSED
    assert KeeperState(failure=REFUSED).seeing(OPEN, None).failure is None
    assert KeeperState(failure=GAVE_UP).seeing(OPEN, None).failure == GAVE_UP


# The log's own clock.


def test_a_ping_is_due_now_and_then_and_only_one_at_a_time() -> None:
    clock = LogClock(5.0, heard_at=100.0)
    assert not clock.ping_due(104.9)
    assert clock.ping_due(105.0)
    clock = clock.pinged()
    assert not clock.ping_due(200.0)  # the last one is still under way
    clock = clock.pong(200.5)
    assert not clock.ping_due(205.0)
    assert clock.ping_due(206.0)


def test_time_in_which_pings_do_not_come_back_does_not_pass() -> None:
    clock = LogClock(5.0, heard_at=100.0)
    assert not clock.lagging(110.0)
    assert clock.pong(110.0).seconds == 10.0  # a ping may take as long again
    assert clock.lagging(110.1)
    assert clock.pong(10_000.0).seconds == 10.0
    assert clock.resumed(10_000.0).pong(10_004.0).seconds == 4.0


@pytest.mark.parametrize("latency", [0.6, 2.0, 5.0])
def test_a_broker_that_is_always_late_hides_no_silence(latency: float) -> None:
    """Looked at twice a second, as keepers do; a ping every second."""
    clock, back = LogClock(1.0, heard_at=0.0), float("inf")
    for look in range(1, 1200):
        now = look / 2
        if back <= now:
            clock, back = clock.pong(back), float("inf")
        if clock.ping_due(now):
            clock, back = clock.pinged(), now + latency
    assert clock.seconds > 60.0


def test_the_drawing_of_the_phases_is_that_of_the_table() -> None:
    page = Path(__file__).parents[2] / "docs" / "architecture.md"
    assert lifecycle_drawing.drawing() in page.read_text(), "run scripts/lifecycle_drawing.py"


def test_a_link_holds_until_its_time_or_until_all_are_ended() -> None:
    def after(session: Session, kind: Any, at: float, **fields: Any) -> Session:
        return evolve(session, SessionEvent(kind, "s1", "g", at, fields), 0.0)

    one = after(RELEASED, "shared", 10.0, link="a", until=100.0)
    two = after(one, "shared", 20.0, link="b", until=50.0)
    assert (two.live_links(49.0), two.live_links(50.0)) == (["a", "b"], ["a"])
    ended = after(two, "unshared", 30.0)
    assert ended.live_links(30.0) == []
    # Neither a repeat nor an older snapshot brings them back.
    assert after(ended, "shared", 31.0, link="a", until=100.0).live_links(31.0) == []
    told = json.loads(json.dumps(two.to_snapshot()))
    assert after(ended, "snapshot", 32.0, **told).live_links(32.0) == []
    assert after(RELEASED, "snapshot", 32.0, **told).live_links(32.0) == ["a", "b"]
    assert after(two, "shared", 60.0, link="c", until=70.0).links.keys() == {"a", "c"}
