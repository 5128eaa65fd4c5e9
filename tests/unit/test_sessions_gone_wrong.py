"""What goes wrong around sessions: lost journals, senseless facts, a broker that is away."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict

import pytest

from coffeeshop.errors import Unreachable
from coffeeshop.pipeline.messages import out_journal
from coffeeshop.sessions import log as log_module
from coffeeshop.sessions.events import SESSIONS, SessionEvent
from coffeeshop.sessions.sessions import Sessions
from coffeeshop.transport import Delivery, Message, Outcome, Reader
from coffeeshop.transport.base import OnDelivery, OnGone
from coffeeshop.transport.memory import MemoryTransport
from tests.running import PATIENCE, eventually
from tests.unit.world import (
    TIMEOUTS,
    World,
    looked,
    reaches,
    released,
    spec_of,
)


def test_a_broker_that_lost_a_sessions_end_fails_it(world: World) -> None:
    sessions = world.replica("g1")
    spec = spec_of()
    sessions.open(spec)
    world.transport.delete_journal(out_journal(spec.id))
    known = reaches(sessions, spec, "failed")
    assert known.reason == "the broker lost the session's journal"


def test_ending_a_session_whose_journal_is_gone_ends_it_all_the_same(world: World) -> None:
    sessions = world.replica("g1")
    spec = spec_of()
    known = sessions.open(spec)
    world.stop(sessions)  # nobody keeps it
    alone = world.replica("g2", keeps=False)
    world.transport.delete_journal(out_journal(spec.id))
    alone.end(known, "aborted", "why")
    assert reaches(alone, spec, "aborted").reason == "why"


def test_events_that_are_not_valid_are_skipped(world: World) -> None:
    sessions = world.replica("g1")
    for body in (b"", b"[]", b'{"kind": "alive"}', b"[" * 100_000):
        world.transport.append(SESSIONS, Message({}, body), lambda outcome: None)
    spec = spec_of()
    assert sessions.open(spec).declared


@pytest.mark.parametrize("error", [Unreachable("away"), ZeroDivisionError()])
def test_what_fails_once_is_done_at_the_next_look_around(
    world: World, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    sessions = world.replica("g1")
    spec = spec_of()
    sessions.open(spec)
    delete, failures = world.transport.delete_journal, [error]

    def fails_once(name: str) -> None:
        if failures:
            raise failures.pop()
        delete(name)

    monkeypatch.setattr(world.transport, "delete_journal", fails_once)
    sessions.end(sessions.open(spec), "cancelled", "")
    eventually(lambda: released(sessions, spec), "its input is released")
    assert failures == []


class Away(MemoryTransport):
    """A broker that stops answering."""

    def __init__(self) -> None:
        super().__init__()
        self.away = False
        self.refused = threading.Semaphore(0)

    def append(self, name: str, message: Message, on_outcome: Callable[[Outcome], None]) -> None:
        if self.away:
            self.refused.release()
        else:
            super().append(name, message, on_outcome)


def test_closing_does_not_wait_for_a_broker_that_is_away() -> None:
    transport = Away()
    world = World(transport)
    sessions = world.replica("g1")
    sessions.open(spec_of())
    transport.away = True
    with ThreadPoolExecutor(1) as pool:
        opening = pool.submit(sessions.open, spec_of())
        world.time.seconds += TIMEOUTS.session_ttl + 1
        assert transport.refused.acquire(timeout=PATIENCE)  # one of them has begun to wait
        assert transport.refused.acquire(timeout=PATIENCE)
        world.close()
        with pytest.raises(Unreachable):
            opening.result(PATIENCE)


class Mute(MemoryTransport):
    """A broker that stores, and does not say what."""

    def read(
        self, name: str, offset: int, credit: int, on_delivery: OnDelivery, on_gone: OnGone
    ) -> Reader:
        def told(delivery: Delivery) -> None:
            if not self.mute.is_set():
                on_delivery(delivery)
            elif b'"opened"' in delivery.message.body:
                self.waited_for.set()

        return super().read(name, offset, credit, told, on_gone)

    def __init__(self) -> None:
        super().__init__()
        self.mute, self.waited_for = threading.Event(), threading.Event()


def test_closing_wakes_whoever_waits_for_its_own_word() -> None:
    transport = Mute()
    world = World(transport)
    sessions = world.replica("g1")
    transport.mute.set()
    with ThreadPoolExecutor(1) as pool:
        opening = pool.submit(sessions.open, spec_of())
        assert transport.waited_for.wait(PATIENCE)
        world.stop(sessions)
        with pytest.raises(Unreachable):
            opening.result(PATIENCE)
    world.close()


def test_a_gateway_does_not_begin_before_it_knows_the_past(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(log_module.SessionLog.wait, "__defaults__", (0.01,))
    transport = Away()
    transport.away = True
    sessions = Sessions(transport)
    with pytest.raises(Unreachable):
        sessions.start()
    sessions.close()
    transport.close()


def test_replicas_that_never_began_can_be_closed() -> None:
    Sessions(MemoryTransport()).close()


def test_opened_by_a_release_with_other_plans_is_left_alone(world: World) -> None:
    sessions = world.replica("g1")
    spec = {**asdict(spec_of()), "plan": "a plan of next year"}
    fact = SessionEvent("opened", spec["id"], "g9", 0.0, {"spec": spec})
    world.transport.append(SESSIONS, fact.message(), lambda outcome: None)
    looked(world)
    assert sessions.log.all() == []
