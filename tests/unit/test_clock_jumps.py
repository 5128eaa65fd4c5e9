"""Clocks that are set by years while sessions run, before a gateway starts, and elsewhere."""

from __future__ import annotations

import json

import pytest

from coffeeshop.presence import MISSING, NodeDirectory
from coffeeshop.sessions.steady_clock import SteadyClock
from coffeeshop.transport import Delivery, Message
from coffeeshop.transport.memory import MemoryTransport
from tests.unit.helpers import ANSWER
from tests.unit.world import TIMEOUTS, Time, World, feed, looked, reaches, results, spec_of, state

YEAR = 400 * 86_400.0


class Wall:
    """A clock that goes with time, and that somebody sets."""

    def __init__(self, time: Time) -> None:
        self.time = time
        self.set_by = 0.0

    def __call__(self) -> float:
        return 1e9 + self.time.seconds + self.set_by


def test_a_clock_goes_on_when_the_wall_is_set_and_follows_small_corrections() -> None:
    time = Time()
    wall = Wall(time)
    clock = SteadyClock(wall, time)
    began = clock()
    for jump in (YEAR, -2 * YEAR, YEAR, 3600.0):
        wall.set_by += jump
        time.seconds += 5
        assert clock() == pytest.approx(began + 5)
        began = clock()
    wall.set_by += 2.0
    assert clock() == pytest.approx(began + 2)


@pytest.mark.parametrize("jump", [YEAR, -YEAR])
def test_sessions_and_results_live_as_long_as_ever_when_the_clock_is_set(
    world: World, jump: float
) -> None:
    wall = Wall(world.time)
    world.work()
    sessions = world.replica("g1", wall=wall)
    spec, idle = spec_of(), spec_of()
    for each in (spec, idle):
        sessions.open(each)
    wall.set_by += jump
    feed(sessions, spec)
    reaches(sessions, spec, "completed")
    wall.set_by += jump
    looked(world)
    assert results(world, spec) == ANSWER
    assert state(sessions, idle) == "open"
    world.passes(TIMEOUTS.result_ttl + 1)
    reaches(sessions, spec, "expired")


def test_results_expire_though_they_are_of_the_future(world: World) -> None:
    wall = Wall(world.time)
    world.work()
    before = world.replica("g1", wall=wall)
    spec = spec_of()
    before.open(spec)
    feed(before, spec)
    reaches(before, spec, "completed")
    world.stop(before)
    wall.set_by -= YEAR
    after = world.replica("g2", wall=wall)
    looked(world, after)
    assert results(world, spec) == ANSWER
    world.time.seconds += TIMEOUTS.result_ttl + 1
    reaches(after, spec, "expired")


@pytest.mark.parametrize("jump", [YEAR, -YEAR])
def test_a_node_whose_clock_is_wrong_is_listed_while_it_speaks(jump: float) -> None:
    time = Time()
    directory = NodeDirectory(MemoryTransport(), time, lambda: 1e9 + time.seconds)

    def say() -> None:
        word = {"id": "n", "types": ["worker"], "gone": False, "at": 1e9 + time.seconds + jump}
        directory._deliver(Delivery(0, Message({}, json.dumps(word).encode())))

    for _ in range(3):  # history, all at once
        say()
    assert len(directory.all()) == (1 if jump > 0 else 0)
    time.seconds += 2
    say()
    assert len(directory.all()) == 1
    time.seconds += MISSING + 1
    assert directory.all() == []
