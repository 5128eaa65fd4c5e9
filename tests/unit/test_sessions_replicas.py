"""Sessions that several replicas of the gateway serve, and that outlive each of them."""

from __future__ import annotations

from coffeeshop.actors.rounds import ADOPTED_AFTER
from coffeeshop.pipeline.messages import out_journal
from coffeeshop.sessions.sessions import KEEPER_QUEUE
from tests.running import PATIENCE, eventually
from tests.unit.helpers import ANSWER
from tests.unit.world import (
    PING,
    TIMEOUTS,
    World,
    feed,
    in_background,
    looked,
    reaches,
    released,
    results,
    spec_of,
    state,
)


def test_two_replicas_end_a_session_exactly_once(world: World) -> None:
    world.work()
    replicas = [world.replica("g1"), world.replica("g2")]
    specs = [spec_of() for _ in range(6)]
    for number, spec in enumerate(specs):
        replicas[number % 2].open(spec)
        feed(replicas[(number + 1) % 2], spec)
    for spec in specs:
        for replica in replicas:
            reaches(replica, spec, "completed")
        assert results(world, spec) == ANSWER
    eventually(
        lambda: all(released(r, s) for r in replicas for s in specs), "everything is released"
    )
    assert world.left() == sorted(out_journal(spec.id) for spec in specs)
    world.time.seconds += TIMEOUTS.result_ttl + 1
    for spec in specs:
        reaches(replicas[0], spec, "expired")
        reaches(replicas[1], spec, "expired")
    assert world.left() == []


def test_another_replica_takes_over_the_sessions_of_one_that_is_gone(world: World) -> None:
    world.work()
    first = world.replica("g1")
    spec = spec_of()
    first.open(spec)
    world.stop(first)  # its sessions go back to the queue
    second = world.replica("g2")
    feed(second, spec)
    reaches(second, spec, "completed")
    eventually(lambda: released(second, spec), "its input is released")
    assert world.left() == [out_journal(spec.id)]


def test_an_opening_that_nobody_keeps_goes_on_as_soon_as_somebody_does(world: World) -> None:
    alone, spec = world.replica("g1", keeps=False), spec_of()
    opening = in_background(lambda: alone.open(spec))
    eventually(lambda: alone.log.get(spec.id) is not None, "it is announced")
    assert world.left() == []
    world.replica("g2")
    opening.join(PATIENCE)
    assert state(alone, spec) == "open"
    assert out_journal(spec.id) in world.left()


def test_a_session_that_nobody_keeps_is_assigned_again(world: World) -> None:
    """One of an older release, or one whose queue was deleted while it waited."""
    alone, spec = world.replica("g1", keeps=False), spec_of()
    opening = in_background(lambda: alone.open(spec))
    eventually(lambda: alone.log.get(spec.id) is not None, "it is announced")
    world.transport.delete_queue(KEEPER_QUEUE)
    keeping = world.replica("g2")
    looked(world, keeping)
    assert world.left() == []
    world.time.seconds += ADOPTED_AFTER + 1
    opening.join(PATIENCE)
    assert state(alone, spec) == "open"


def test_a_gateway_that_starts_again_knows_everything(world: World) -> None:
    world.work()
    first = world.replica("g1")
    done, underway, gone = spec_of(), spec_of(producers=2), spec_of()
    for spec in (done, underway, gone):
        first.open(spec, "shop")
    feed(first, done)
    reaches(first, done, "completed")
    first.delete(first.open(gone))
    world.stop(first)
    again = world.replica("g1b")  # knows all of it as soon as it has started
    assert (state(again, done), state(again, underway)) == ("completed", "open")
    assert state(again, gone) == "expired"
    assert again.log.expired_owner(gone.id) is not None
    assert results(world, done) == ANSWER
    feed(again, underway)
    reaches(again, underway, "completed")
    assert results(world, underway) == ANSWER


def test_a_gateway_that_starts_again_gives_clients_their_time_anew(world: World) -> None:
    first = world.replica("g1")
    spec = spec_of()
    first.open(spec)
    world.stop(first)
    world.time.seconds += 1000
    again = world.replica("g2")
    looked(world, again)
    assert state(again, spec) == "open"
    world.passes(61)
    assert state(again, spec) == "open"
    world.passes(PING)
    reaches(again, spec, "aborted")
