"""Sessions whose clients are gone, or slow: when a gateway gives them up, and when not."""

from __future__ import annotations

from coffeeshop.pipeline.messages import SessionSpec, out_journal
from coffeeshop.sessions.sessions import Sessions
from tests.running import eventually
from tests.unit.world import (
    LIFETIMES,
    World,
    feed,
    looked,
    reaches,
    released,
    spec_of,
    state,
)


def test_a_client_that_says_nothing_is_given_up(world: World) -> None:
    sessions = world.replica("g1")
    spec = spec_of()
    sessions.open(spec)
    world.passes(59)
    looked(world)
    assert state(sessions, spec) == "open"
    world.passes(2)
    known = reaches(sessions, spec, "aborted")
    assert known is not None
    assert known.reason == "the client sent nothing for 60 s"
    eventually(lambda: released(sessions, spec), "its input is released")
    assert world.left() == [out_journal(spec.id)]


def test_heartbeats_keep_a_session_alive(world: World) -> None:
    sessions = world.replica("g1")
    spec = spec_of()
    sessions.open(spec)
    for _ in range(5):
        world.passes(50)
        sessions.chronicle.seen(spec.id)
        looked(world)
    assert state(sessions, spec) == "open"


def test_a_heartbeat_at_one_replica_counts_at_the_other(world: World) -> None:
    first, second = world.replica("g1"), world.replica("g2")
    spec = spec_of()
    first.open(spec)
    for _ in range(3):
        world.passes(50)
        first.chronicle.seen(spec.id, 10)
        eventually(lambda: last_seen(second, spec) == world.time.seconds, "the other heard it")
        looked(world, second)
    assert state(second, spec) == "open"
    assert second.chronicle.journal_bytes() == 30


def last_seen(sessions: Sessions, spec: SessionSpec) -> float:
    known = sessions.chronicle.get(spec.id)
    return -1.0 if known is None else known.last_seen


def test_signs_of_life_are_told_to_the_others_now_and_then_only(world: World) -> None:
    sessions = world.replica("g1")
    spec = spec_of()
    sessions.open(spec)
    for _ in range(100):
        world.time.seconds += 1
        sessions.chronicle.seen(spec.id, 1)
    assert 6 <= sum(fact.session == spec.id for fact in world.said("alive")) <= 8
    assert sessions.chronicle.journal_bytes() == 100


def test_signs_of_life_of_a_session_that_is_over_are_not_told(world: World) -> None:
    sessions = world.replica("g1")
    spec = spec_of()
    sessions.end(sessions.open(spec), "cancelled", "")
    reaches(sessions, spec, "cancelled")
    sessions.chronicle.seen(spec.id, 5)
    sessions.chronicle.seen("nobody", 5)
    assert world.said("alive") == []


def test_after_the_upload_nobody_needs_the_client(world: World) -> None:
    sessions = world.replica("g1")
    spec = spec_of()
    sessions.open(spec)
    feed(sessions, spec)  # no node works on it
    known = sessions.chronicle.get(spec.id)
    assert known is not None
    eventually(lambda: known.uploaded, "all of it is there")
    world.time.seconds += 1000
    looked(world)
    assert known.state == "open"
    world.time.seconds += LIFETIMES.session_ttl
    reaches(sessions, spec, "aborted")
    assert "did not complete within" in known.reason
    assert len(world.journal(out_journal(spec.id))) == 1  # asked for once only
