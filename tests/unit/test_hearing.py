"""Replicas that were frozen or cut off: what they missed is no silence of others."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import pytest

from coffeeshop.sessions.hearing import Hearing
from coffeeshop.sessions.lifetimes import OTHERS_PATIENCE
from coffeeshop.sessions.registry import Session
from coffeeshop.sessions.sessions import Sessions
from coffeeshop.transport import Message, Outcome
from coffeeshop.transport.memory import MemoryTransport
from tests.running import eventually
from tests.unit.world import LIFETIMES, WORDS, World, feed, hears, looked, reaches, spec_of, state

TIMEOUT = LIFETIMES.client_timeout


def test_a_word_is_wanted_now_and_then_and_only_one_at_a_time() -> None:
    hearing = Hearing(5.0, now=100.0)
    assert not hearing.wants_a_word(104.9)
    assert hearing.wants_a_word(105.0)
    assert not hearing.wants_a_word(200.0)  # the last one is still under way
    hearing.heard(200.5)
    assert not hearing.wants_a_word(205.0)
    assert hearing.wants_a_word(206.0)


def test_a_word_that_comes_back_late_tells_how_long_nothing_was_heard() -> None:
    hearing = Hearing(5.0, now=100.0)
    assert not hearing.deaf(110.0)
    assert hearing.heard(110.0) == 0.0
    assert hearing.deaf(121.0)
    assert hearing.heard(150.0) == 30.0  # a word may take 10
    assert not hearing.deaf(151.0)
    assert hearing.heard(151.0) == 0.0


@pytest.mark.parametrize("latency", [0.6, 2.0, 5.0])
def test_a_broker_that_is_always_late_hides_no_silence(latency: float) -> None:
    """Looked at twice a second, as a gateway does; a word of its own every second."""
    hearing, forgiven, judged = Hearing(1.0, now=0.0), 0.0, 0
    back: float | None = None
    for look in range(1, 1200):
        now = look / 2
        if back is not None and back <= now:
            forgiven += hearing.heard(back)
            back = None
        if hearing.wants_a_word(now):
            back = now + latency
        judged += now - forgiven > 60.0 and not hearing.deaf(now)
    assert judged > 100


class Alarmed(MemoryTransport):
    """A broker that takes nothing while there is an alarm, and everything afterwards."""

    def __init__(self) -> None:
        super().__init__()
        self.alarm = False
        self.waiting: list[Callable[[], None]] = []
        self.guard = threading.Lock()

    def append(self, name: str, message: Message, on_outcome: Callable[[Outcome], None]) -> None:
        with self.guard:
            if self.alarm:
                self.waiting.append(lambda: super(Alarmed, self).append(name, message, on_outcome))
                return
        super().append(name, message, on_outcome)

    def lift(self) -> None:
        with self.guard:
            self.alarm = False
            waiting, self.waiting = self.waiting, []
        for append in waiting:
            append()


@pytest.fixture
def broker() -> Alarmed:
    return Alarmed()


@pytest.fixture
def world(broker: Alarmed) -> Iterator[World]:
    made = World(broker)
    yield made
    made.close()


@pytest.mark.parametrize("uploaded", [False, True])
def test_an_alarm_longer_than_the_clients_time_ends_no_session(
    world: World, broker: Alarmed, uploaded: bool
) -> None:
    first, second = world.replica("g1"), world.replica("g2")
    spec = spec_of()
    known = first.open(spec)
    if uploaded:
        feed(first, spec)
        eventually(lambda: known.uploaded, "all of it is there")
    broker.alarm = True
    for _ in range(20):  # its client is there all the time, and the other replica cannot hear so
        world.time.seconds += TIMEOUT / 6
        first.chronicle.seen(spec.id)
        looked(world, second)
    broker.lift()
    for _ in range(3):
        looked(world, first)
        looked(world, second)
        world.passes(TIMEOUT / 6)
        first.chronicle.seen(spec.id)
    assert (state(first, spec), state(second, spec)) == ("open", "open")
    assert world.journal(f"out.{spec.id}") == []
    assert not first._last_calls._made | second._last_calls._made
    world.passes(TIMEOUT + OTHERS_PATIENCE + 1)  # now it is gone
    if uploaded:
        eventually(lambda: first._last_calls._made, "its tasks are told")
    else:
        reaches(second, spec, "aborted")


def test_a_frozen_gateway_wakes_and_gives_its_clients_time_to_be_heard(world: World) -> None:
    gateway = world.replica("g1")
    spec = spec_of()
    gateway.open(spec)
    world.time.seconds += 10 * TIMEOUT
    looked(world)
    assert state(gateway, spec) == "open"
    eventually(lambda: hears(world.time, gateway), "it hears again")
    gateway.chronicle.seen(spec.id)
    world.passes(TIMEOUT - 1)
    looked(world)
    assert state(gateway, spec) == "open"
    world.passes(2 + WORDS)  # its own word of that may have come back a moment later
    reaches(gateway, spec, "aborted")


def test_the_replica_that_opened_a_session_gives_it_up_first(world: World) -> None:
    first, second = world.replica("g1"), world.replica("g2")
    mine, others = spec_of(), spec_of()
    first.open(mine)
    second.open(others)
    reaches(first, others, "open")
    world.stop(second)
    world.passes(TIMEOUT + 1)
    reaches(first, mine, "aborted")
    looked(world, first)
    assert state(first, others) == "open"
    world.passes(OTHERS_PATIENCE)
    eventually(lambda: others.id in first._terminals, "it is given up for the other")


def errand_of_silence(
    world: World, gateway: Sessions, known: Session, monkeypatch: pytest.MonkeyPatch
) -> Callable[[], None]:
    """The client falls silent; what the gateway would do then, and has not done."""
    begun: list[Callable[[], None]] = []
    monkeypatch.setattr(gateway._errands, "begin", lambda _name, work: begun.append(work))
    world.time.seconds += TIMEOUT + 1
    gateway._look_at(known)
    (work,) = begun
    return work


def test_what_waited_for_its_turn_is_looked_at_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    gateway = world.replica("g1", period=3600)
    spec = spec_of()
    known = gateway.open(spec)
    abort = errand_of_silence(world, gateway, known, monkeypatch)
    gateway.chronicle.seen(spec.id)  # just before its turn
    abort()
    assert world.journal(f"out.{spec.id}") == []
    world.time.seconds += TIMEOUT + 1
    abort()
    assert len(world.journal(f"out.{spec.id}")) == 1


def test_a_last_call_that_waited_for_its_turn_is_looked_at_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    gateway = world.replica("g1", period=3600)
    spec = spec_of()
    known = gateway.open(spec)
    feed(gateway, spec)
    eventually(lambda: known.uploaded, "all of it is there")
    call = errand_of_silence(world, gateway, known, monkeypatch)
    gateway.chronicle.seen(spec.id)
    call()
    assert not gateway._last_calls._made
    world.time.seconds += TIMEOUT + 1
    call()
    assert gateway._last_calls._made == {spec.id}


def test_a_gateway_without_sessions_says_nothing(world: World) -> None:
    gateway = world.replica("g1")
    spec = spec_of()
    gateway.end(gateway.open(spec), "cancelled", "")
    reaches(gateway, spec, "cancelled")
    words = len(world.said("alive"))
    for _ in range(10):
        world.time.seconds += TIMEOUT
        looked(world)
    assert len(world.said("alive")) == words
