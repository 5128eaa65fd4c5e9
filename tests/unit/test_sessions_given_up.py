"""Sessions whose clients are gone, or slow: when a gateway gives them up, and when not."""

from __future__ import annotations

from coffeeshop.pipeline.messages import SessionSpec, out_journal
from coffeeshop.sessions.sessions import Sessions
from tests.running import eventually
from tests.unit.world import (
    PING,
    TIMEOUTS,
    World,
    feed,
    looked,
    reaches,
    released,
    spec_of,
    state,
    uploaded,
)


def test_a_client_that_says_nothing_is_given_up(world: World) -> None:
    sessions = world.replica("g1")
    spec = spec_of()
    sessions.open(spec)
    world.passes(60)
    looked(world)
    assert state(sessions, spec) == "open"
    world.passes(PING)
    known = reaches(sessions, spec, "aborted")
    assert known.reason == "the client sent nothing for 60 s"
    eventually(lambda: released(sessions, spec), "its input is released")
    assert world.left() == [out_journal(spec.id)]


def test_heartbeats_keep_a_session_alive(world: World) -> None:
    sessions = world.replica("g1")
    spec = spec_of()
    sessions.open(spec)
    for _ in range(5):
        world.passes(50)
        sessions.log.seen(spec.id)
        looked(world)
    assert state(sessions, spec) == "open"


def bytes_of(sessions: Sessions, spec: SessionSpec) -> int:
    known = sessions.log.get(spec.id)
    return 0 if known is None else known.journal_bytes


def test_a_heartbeat_at_one_replica_counts_at_the_other(world: World) -> None:
    first, second = world.replica("g1"), world.replica("g2")
    spec = spec_of()
    first.open(spec)
    for number in range(1, 4):
        world.passes(50)
        first.log.seen(spec.id, 10)
        eventually(lambda n=number: bytes_of(second, spec) == 10 * n, "the other heard it")  # type: ignore[misc]
        looked(world, second)
    assert state(second, spec) == "open"


def test_signs_of_life_are_told_to_the_others_now_and_then_only(world: World) -> None:
    sessions = world.replica("g1")
    spec = spec_of()
    sessions.open(spec)
    for _ in range(100):
        world.time.seconds += 1
        sessions.log.seen(spec.id, 1)
    looked(world)
    assert 6 <= sum(fact.session == spec.id for fact in world.written("alive")) <= 8
    assert bytes_of(sessions, spec) == 100


def test_signs_of_life_of_a_session_that_is_over_are_not_told(world: World) -> None:
    sessions = world.replica("g1")
    spec = spec_of()
    sessions.end(sessions.open(spec), "cancelled", "")
    reaches(sessions, spec, "cancelled")
    sessions.log.seen(spec.id, 5)
    sessions.log.seen("nobody", 5)
    assert world.written("alive") == []


def test_after_the_upload_nobody_needs_the_client(world: World) -> None:
    sessions = world.replica("g1")
    spec = spec_of()
    sessions.open(spec)
    feed(sessions, spec)  # no node works on it
    eventually(lambda: uploaded(sessions, spec), "all of it is there")
    world.passes(1000)
    looked(world)
    assert state(sessions, spec) == "open"
    world.time.seconds += TIMEOUTS.session_ttl
    known = reaches(sessions, spec, "aborted")
    assert "did not complete within" in known.reason
    assert len(world.journal(out_journal(spec.id))) == 1  # asked for once only
