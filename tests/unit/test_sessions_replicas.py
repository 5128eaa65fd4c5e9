"""Sessions that several replicas of the gateway serve, and that outlive each of them."""

from __future__ import annotations

from coffeeshop.pipeline.messages import out_journal
from coffeeshop.sessions import sessions as module
from tests.running import eventually
from tests.unit.helpers import ANSWER
from tests.unit.world import (
    LIFETIMES,
    World,
    feed,
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
    world.time.seconds += 10  # beyond the patience of those that did not open it
    for spec in specs:
        for replica in replicas:
            reaches(replica, spec, "completed")
        assert results(world, spec) == ANSWER
    eventually(
        lambda: all(released(r, s) for r in replicas for s in specs), "everything is released"
    )
    assert world.left() == sorted(out_journal(spec.id) for spec in specs)
    world.time.seconds += LIFETIMES.result_ttl + 1
    for spec in specs:
        reaches(replicas[0], spec, "expired")
        reaches(replicas[1], spec, "expired")
    assert world.left() == []


def test_a_replica_takes_over_when_the_one_that_opened_is_gone(world: World) -> None:
    world.work()
    first, second = world.replica("g1"), world.replica("g2")
    spec = spec_of()
    first.open(spec)
    world.stop(first)
    feed(second, spec)
    eventually(lambda: second._terminals, "its end is heard")
    looked(world, second)
    assert state(second, spec) == "open"  # it is left to the other for a while
    world.time.seconds += module.OTHERS_PATIENCE + 1
    reaches(second, spec, "completed")
    world.time.seconds += module.OTHERS_PATIENCE + 1
    eventually(lambda: released(second, spec), "its input is released")
    assert world.left() == [out_journal(spec.id)]


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
    assert again.chronicle.expired_owner(gone.id) is not None
    assert results(world, done) == ANSWER
    feed(again, underway)
    eventually(lambda: again._terminals, "its end is heard")
    world.time.seconds += module.OTHERS_PATIENCE + 1
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
    assert state(again, spec) == "open"  # it is left to the other for a while
    world.passes(module.OTHERS_PATIENCE)
    eventually(lambda: again._terminals, "it is aborted")
    world.time.seconds += module.OTHERS_PATIENCE + 1
    reaches(again, spec, "aborted")
