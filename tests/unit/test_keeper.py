"""Keepers as supervised children: no failure in one ends another's work, and none is silent."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from coffeeshop.actors import keeper, keeper_supervisor
from coffeeshop.actors.keeper import Keepers
from coffeeshop.actors.keeper_supervisor import STEPS, HostedKeepers
from coffeeshop.actors.rounds import LogTicker, ReleasedSessions
from coffeeshop.clock import Backoff
from coffeeshop.errors import Unreachable
from coffeeshop.pipeline.messages import SessionSpec, out_journal
from coffeeshop.sessions.log import SessionLog
from coffeeshop.sessions.sessions import KEEPER_QUEUE
from coffeeshop.transport import Message, Outcome
from coffeeshop.transport.memory import MemoryTransport
from tests.running import PATIENCE, eventually, http, running
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


def broken(*_: Any, **__: Any) -> Any:
    raise RuntimeError("can't start new thread")


class Faulty(MemoryTransport):
    """Fails at the journals of some sessions, as a bug would."""

    def __init__(self) -> None:
        super().__init__()
        self.faults: dict[str, Exception] = {}
        """By session: what deleting and declaring its journals raises."""
        self.met = threading.Semaphore(0)

    def declare_journal(self, name: str, max_bytes: int | None = None) -> None:
        self._check(name)
        super().declare_journal(name, max_bytes)

    def delete_journal(self, name: str) -> None:
        self._check(name)
        super().delete_journal(name)

    def _check(self, name: str) -> None:
        error = self.faults.get(name.split(".")[1])
        if error is not None:
            self.met.release()
            raise error


@pytest.fixture
def broker() -> Faulty:
    return Faulty()


@pytest.fixture
def world(broker: Faulty) -> Iterator[World]:
    made = World(broker)
    yield made
    made.close()


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keeper, "RETRIES", Backoff(0.01, 0.02))
    monkeypatch.setattr(keeper_supervisor, "RESTARTS", Backoff(0.01, 0.02))


def test_a_keeper_that_fails_once_begins_anew(world: World, broker: Faulty) -> None:
    world.work()
    sessions, spec = world.replica("g1"), spec_of()
    broker.faults[spec.id] = ZeroDivisionError()
    opening = in_background(lambda: sessions.open(spec))
    assert broker.met.acquire(timeout=PATIENCE)
    del broker.faults[spec.id]
    opening.join(PATIENCE)
    feed(sessions, spec)
    reaches(sessions, spec, "completed")
    assert results(world, spec) == ANSWER
    eventually(
        lambda: world.keepers[sessions].failures.get("declare", 0) > 0, "the failure is counted"
    )


def test_a_keeper_that_fails_too_often_fails_its_session_and_no_other(
    world: World, broker: Faulty
) -> None:
    world.work()
    sessions, bad, good = world.replica("g1"), spec_of(), spec_of()
    broker.faults[bad.id] = ZeroDivisionError("a bug")
    assert sessions.open(bad).state == "failed"
    assert "its keeper failed too often" in reaches(sessions, bad, "failed").reason
    assert "ZeroDivisionError: a bug" in reaches(sessions, bad, "failed").reason
    sessions.open(good)
    feed(sessions, good)
    reaches(sessions, good, "completed")
    eventually(lambda: released(sessions, good), "its input is released")
    assert not released(sessions, bad)
    broker.faults.clear()  # it was tried all the time, and is now
    eventually(lambda: released(sessions, bad), "its input is released too")
    assert world.keepers[sessions].trouble() == ""


def test_a_broker_that_does_not_answer_is_no_failure_of_a_keeper(
    world: World, broker: Faulty
) -> None:
    world.work()
    sessions, spec = world.replica("g1"), spec_of()
    broker.faults[spec.id] = Unreachable("away")
    opening = in_background(lambda: sessions.open(spec))
    for _ in range(10):
        assert broker.met.acquire(timeout=PATIENCE)
    broker.faults.clear()
    opening.join(PATIENCE)
    assert state(sessions, spec) == "open"
    assert world.keepers[sessions].failures.get("declare", 0) == 0


def test_results_that_cannot_be_deleted_keep_no_others(world: World, broker: Faulty) -> None:
    sessions, bad, good = world.replica("g1"), spec_of(), spec_of()
    for spec in (bad, good):
        sessions.end(sessions.open(spec), "cancelled", "")
        eventually(lambda s=spec: released(sessions, s), "its input is released")  # type: ignore[misc]
    broker.faults[bad.id] = ZeroDivisionError()
    world.time.seconds += TIMEOUTS.result_ttl + 1
    reaches(sessions, good, "expired")
    eventually(
        lambda: world.keepers[sessions].failures.get("expire", 0) > 0, "the failure is counted"
    )
    broker.faults.clear()
    reaches(sessions, bad, "expired")
    assert world.left() == []


@pytest.mark.parametrize("actor", [LogTicker, ReleasedSessions, Keepers])
def test_an_actor_that_fails_is_restarted_and_goes_on(
    world: World, actor: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.work()
    sessions, spec = world.replica("g1"), spec_of()
    sessions.open(spec)
    whole, left = actor.come_round, threading.Semaphore(3)

    def sometimes(self: Any) -> None:
        if left.acquire(blocking=False):
            raise SystemExit
        whole(self)

    monkeypatch.setattr(actor, "come_round", sometimes)
    eventually(lambda: world.keepers[sessions].failures.get("tick", 0) > 2, "it is counted")
    feed(sessions, spec)
    reaches(sessions, spec, "completed")
    eventually(lambda: released(sessions, spec), "its input is released")
    world.time.seconds += TIMEOUTS.result_ttl + 1
    reaches(sessions, spec, "expired")


def test_a_process_whose_actors_fail_always_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(LogTicker, "come_round", broken)
    failures: list[str] = []
    with running(node=False) as system:
        sessions = system.gateways[0].sessions
        keepers = HostedKeepers(sessions, on_failure=failures.append, period=0.005)
        keepers.start()
        eventually(lambda: failures, "its root fails")
        keepers.close()
    assert "log failed too often" in failures[0]


def test_a_gateway_that_does_not_look_after_sessions_is_not_ready_and_its_metrics_say_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(keeper_supervisor, "RESTARTS", Backoff(0.1, 60.0))
    with running(node=False) as system, http(system) as api:
        assert api.get("/readyz").status_code == 200
        keepers = system.gateways[0].keepers
        monkeypatch.setattr(ReleasedSessions, "come_round", broken)
        eventually(lambda: keepers.failures.get("tick", 0) > 0, "an actor fails")
        monkeypatch.setattr(keeper_supervisor, "PATIENCE", 0.0)
        answer = api.get("/readyz")
        assert answer.status_code == 503
        assert "sessions have not been looked after" in answer.json()["detail"]
        assert "released failed" in answer.json()["detail"]
        text = api.get("/metrics").text
        assert "coffeeshop_ready 0.0" in text
        for step in STEPS:
            assert f'coffeeshop_reconciler_failures_total{{step="{step}"}}' in text
        assert "coffeeshop_reconciler_age_seconds" in text


# Ownership: an assignment is held until the session is over.


def waiting(broker: MemoryTransport) -> list[Message]:
    """The assignments of sessions that nobody has acknowledged, of whom nobody is left."""
    found: list[Message] = []
    consumer = broker.consume(KEEPER_QUEUE, 100, lambda h: found.append(h.message), lambda: None)
    done = threading.Event()
    broker.append("no such journal", Message(), lambda outcome: done.set())
    assert done.wait(PATIENCE)
    consumer.close()
    return found


@pytest.mark.parametrize("is_over", [True, False])
def test_an_assignment_is_acknowledged_when_the_session_is_over_and_not_before(
    world: World, broker: Faulty, is_over: bool
) -> None:
    sessions, spec = world.replica("g1"), spec_of()
    opened = sessions.open(spec)
    if is_over:
        sessions.end(opened, "cancelled", "")
        eventually(lambda: released(sessions, spec), "its input is released")
        looked(world)
    world.stop(sessions)
    assert len(waiting(broker)) == (0 if is_over else 1)


def test_a_queue_that_is_deleted_is_made_again_and_its_sessions_are_in_it(
    world: World, broker: Faulty
) -> None:
    sessions, spec = world.replica("g1"), spec_of()
    sessions.open(spec)
    broker.delete_queue(KEEPER_QUEUE)
    eventually(lambda: broker.exists(KEEPER_QUEUE), "there is a queue again")
    other = spec_of()
    assert sessions.open(other).declared
    looked(world)
    world.stop(sessions)
    assert {message.headers["session"] for message in waiting(broker)} >= {spec.id, other.id}


# Silence is measured in the log.


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


def told(world: World, spec: SessionSpec) -> list[str]:
    return [event.kind for event in world.written("client_gone") if event.session == spec.id]


def is_fed(log: SessionLog) -> bool:
    """Whether its one session is there with all of its input, and its tasks wait for nodes."""
    return [(each.uploaded, each.assigned) for each in log.all()] == [(True, True)]


@pytest.mark.parametrize("uploaded", [False, True])
def test_an_alarm_longer_than_the_clients_time_ends_no_session(uploaded: bool) -> None:
    broker = Alarmed()
    world = World(broker)
    first, second = world.replica("g1"), world.replica("g2")
    spec = spec_of()
    first.open(spec)
    if uploaded:
        feed(first, spec)
        for log in (first.log, second.log):
            eventually(lambda log=log: is_fed(log), "every keeper knows")  # type: ignore[misc]
    broker.alarm = True
    for _ in range(8):  # its client is there all the time, and the other replica cannot hear so
        world.time.seconds += TIMEOUTS.client_timeout / 4
        first.log.seen(spec.id)
        looked(world, second)
    broker.lift()
    for _ in range(3):
        looked(world, first)
        looked(world, second)
        world.passes(TIMEOUTS.client_timeout / 6)
        first.log.seen(spec.id)
    assert (state(first, spec), state(second, spec)) == ("open", "open")
    assert world.journal(out_journal(spec.id)) == []
    assert told(world, spec) == []
    # Now it is gone. A sign of life may have been told a quarter of that time late.
    world.passes(1.25 * TIMEOUTS.client_timeout + 2 * PING)
    if uploaded:
        eventually(lambda: told(world, spec), "its tasks are told")
    else:
        reaches(second, spec, "aborted")
    world.close()


def test_a_frozen_gateway_wakes_and_gives_its_clients_time_to_be_heard(world: World) -> None:
    gateway, spec = world.replica("g1"), spec_of()
    gateway.open(spec)
    world.time.seconds += 10 * TIMEOUTS.client_timeout
    looked(world)
    assert state(gateway, spec) == "open"
    eventually(lambda: not gateway.log.lagging, "it hears again")
    gateway.log.seen(spec.id)
    world.passes(TIMEOUTS.client_timeout)
    looked(world)
    assert state(gateway, spec) == "open"
    world.passes(2 * PING)
    reaches(gateway, spec, "aborted")


def test_a_gateway_without_sessions_writes_nothing(world: World) -> None:
    gateway, spec = world.replica("g1"), spec_of()
    gateway.end(gateway.open(spec), "cancelled", "")
    reaches(gateway, spec, "cancelled")
    eventually(lambda: released(gateway, spec), "its input is released")
    written = len(world.events())
    for _ in range(10):
        world.time.seconds += TIMEOUTS.client_timeout
        looked(world)
    assert len(world.events()) == written


def test_idle_sessions_take_no_thread_of_their_gateway(world: World) -> None:
    sessions = world.replica("g1")
    sessions.open(spec_of())
    looked(world)
    before = threading.active_count()
    for _ in range(100):
        sessions.open(spec_of())
    looked(world)
    assert threading.active_count() <= before
