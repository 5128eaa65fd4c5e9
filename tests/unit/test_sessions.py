"""Sessions as gateway replicas serve them, with clocks that move when told."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import asdict
from typing import Any

import pytest

from coffeeshop.errors import CoffeeshopError, JournalGone, ProtocolError, Unreachable
from coffeeshop.gateway import chronicle as chronicle_module
from coffeeshop.gateway import sessions as module
from coffeeshop.gateway.registry import SESSIONS, Fact, Session
from coffeeshop.gateway.sessions import Sessions
from coffeeshop.messages import Record, SessionSpec, out_journal
from coffeeshop.plan import PLANS
from coffeeshop.transport import Message, Outcome
from coffeeshop.transport.memory import MemoryTransport
from tests.running import PATIENCE, eventually, readers_of
from tests.unit.helpers import ANSWER
from tests.unit.world import (
    LIFETIMES,
    World,
    feed,
    reaches,
    released,
    results,
    spec_of,
    state,
)


@pytest.fixture
def world() -> Iterator[World]:
    made = World()
    yield made
    made.close()


# A session's life.


@pytest.mark.parametrize("plan", PLANS)
def test_a_session_is_fed_completed_released_and_expires(world: World, plan: str) -> None:
    world.work()
    sessions = world.replica("g1")
    spec = spec_of(plan=plan)
    opened = sessions.open(spec, "shop")
    assert (opened.state, opened.declared, opened.name) == ("open", True, "shop")
    feed(sessions, spec)
    reaches(sessions, spec, "completed")
    assert results(world, spec) == ANSWER
    eventually(lambda: released(sessions, spec), "its input is released")
    assert world.left() == [out_journal(spec.id)]
    world.time.seconds += LIFETIMES.result_ttl + 1
    reaches(sessions, spec, "expired")
    assert world.left() == []
    assert sessions.chronicle.is_expired(spec.id)
    assert [fact.fields["state"] for fact in world.said("ended")] == ["completed"]
    eventually(lambda: readers_of(world.transport, "") == 1, "only ctl.sessions is read")


def test_results_stay_until_their_time_has_come(world: World) -> None:
    world.work()
    sessions = world.replica("g1")
    spec = spec_of()
    sessions.open(spec)
    feed(sessions, spec)
    reaches(sessions, spec, "completed")
    world.time.seconds += LIFETIMES.result_ttl - 1
    looked(world)
    assert results(world, spec) == ANSWER


def looked(world: World, replica: Sessions | None = None) -> None:
    """Wait until a replica has looked at everything twice."""
    sessions = replica or world.replicas[0]
    times = threading.Semaphore(0)
    before = sessions.chronicle.all

    def counted() -> list[Session]:
        times.release()
        return before()

    sessions.chronicle.all = counted  # type: ignore[method-assign]
    for _ in range(3):
        assert times.acquire(timeout=PATIENCE)
    sessions.chronicle.all = before  # type: ignore[method-assign]


def test_a_session_opened_twice_is_one(world: World) -> None:
    sessions = world.replica("g1")
    spec = spec_of()
    assert sessions.open(spec, "first") is sessions.open(spec, "second")
    assert sessions.chronicle.all()[0].name == "first"


def test_a_session_opened_at_two_replicas_is_one(world: World) -> None:
    first, second = world.replica("g1"), world.replica("g2")
    spec = spec_of()
    first.open(spec)
    assert second.open(spec).gateway == "g1"
    with pytest.raises(ProtocolError, match="other wishes"):
        second.open(SessionSpec(spec.id, "staged"))


def test_many_who_open_one_session_at_once_get_one_that_can_be_fed(world: World) -> None:
    world.work()
    replicas = [world.replica("g1"), world.replica("g2")]
    spec = spec_of(producers=2)
    errors: list[Exception] = []
    joined: list[int] = []

    def join(number: int) -> None:
        try:
            known = replicas[number % 2].open(spec)
            assert known.declared
            replicas[number % 2].ingest(spec).batch("users", "0", 0, b"x", "d").result(PATIENCE)
        except CoffeeshopError as error:
            errors.append(error)
        else:
            joined.append(number)

    threads = [threading.Thread(target=join, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    assert errors == []
    assert sorted(joined) == list(range(8))
    assert len({fact.gateway for fact in world.said("opened")}) <= 2


def test_a_failed_session_ends_with_its_reason(world: World) -> None:
    sessions = world.replica("g1")
    spec = spec_of()
    sessions.open(spec)
    failed = Record("failed", "session", "filters.0", 0, b"a bad batch")
    world.transport.append(out_journal(spec.id), failed.message(), lambda outcome: None)
    known = reaches(sessions, spec, "failed")
    assert known is not None
    assert known.reason == "a bad batch"
    eventually(lambda: released(sessions, spec), "its input is released")
    assert world.left() == [out_journal(spec.id)]


def test_of_a_cancellation_and_a_failure_the_first_in_the_journal_counts(world: World) -> None:
    sessions = world.replica("g1", period=3600)
    spec = spec_of()
    known = sessions.open(spec)
    failed = Record("failed", "session", "x", 0, b"broke")
    world.transport.append(out_journal(spec.id), failed.message(), lambda outcome: None)
    sessions.end(known, "cancelled", "too late")
    assert reaches(sessions, spec, "failed") is known
    assert known.reason == "broke"


def test_a_cancelled_session_says_so(world: World) -> None:
    sessions = world.replica("g1")
    spec = spec_of()
    sessions.end(sessions.open(spec), "cancelled", "enough")
    known = reaches(sessions, spec, "cancelled")
    assert known is not None
    assert known.reason == "enough"


def test_results_that_make_no_sense_fail_the_session(world: World) -> None:
    sessions = world.replica("g1")
    spec = spec_of()
    sessions.open(spec)
    world.transport.append(out_journal(spec.id), Message({"kind": "?"}), lambda outcome: None)
    known = reaches(sessions, spec, "failed")
    assert known is not None
    assert "make no sense" in known.reason


@pytest.mark.parametrize("is_open", [True, False])
def test_a_deleted_session_leaves_nothing(world: World, is_open: bool) -> None:
    sessions = world.replica("g1")
    spec = spec_of()
    known = sessions.open(spec)
    if not is_open:
        sessions.end(known, "cancelled", "")
        reaches(sessions, spec, "cancelled")
    sessions.delete(known)
    assert known.state == "cancelled"
    reaches(sessions, spec, "expired")
    assert world.left() == []


def test_the_id_of_a_removed_session_opens_nothing(world: World) -> None:
    sessions = world.replica("g1")
    spec = spec_of()
    sessions.delete(sessions.open(spec))
    reaches(sessions, spec, "expired")
    sessions_module_timeout(sessions)
    with pytest.raises(JournalGone):
        sessions.open(spec)
    assert world.left() == []


def sessions_module_timeout(sessions: Sessions) -> None:
    """What does not come is not waited for."""
    sessions.chronicle.wait_until = (  # type: ignore[method-assign]
        lambda session, holds, timeout: sessions.chronicle.get(session)
    )


# What nobody wants any more.


def test_a_client_that_says_nothing_is_given_up(world: World) -> None:
    sessions = world.replica("g1")
    spec = spec_of()
    sessions.open(spec)
    world.time.seconds += 59
    looked(world)
    assert state(sessions, spec) == "open"
    world.time.seconds += 2
    known = reaches(sessions, spec, "aborted")
    assert known is not None
    assert known.reason == "no word of its client for 60 s"
    eventually(lambda: released(sessions, spec), "its input is released")
    assert world.left() == [out_journal(spec.id)]


def test_heartbeats_keep_a_session_alive(world: World) -> None:
    sessions = world.replica("g1")
    spec = spec_of()
    sessions.open(spec)
    for _ in range(5):
        world.time.seconds += 50
        sessions.chronicle.seen(spec.id)
        looked(world)
    assert state(sessions, spec) == "open"


def test_a_heartbeat_at_one_replica_counts_at_the_other(world: World) -> None:
    first, second = world.replica("g1"), world.replica("g2")
    spec = spec_of()
    first.open(spec)
    for _ in range(3):
        world.time.seconds += 50
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
    assert 6 <= len(world.said("alive")) <= 8
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
    assert "not completed within" in known.reason
    assert len(world.journal(out_journal(spec.id))) == 1  # asked for once only


# Several replicas.


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
    assert again.chronicle.is_expired(gone.id)
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
    world.time.seconds += 61
    eventually(lambda: again._terminals, "it is aborted")
    world.time.seconds += module.OTHERS_PATIENCE + 1
    reaches(again, spec, "aborted")


# What goes wrong.


class Breaking(MemoryTransport):
    """Fails at declaring journals when told to."""

    def __init__(self) -> None:
        super().__init__()
        self.left_to_declare = 1 << 30

    def declare_journal(self, name: str, max_bytes: int | None = None) -> None:
        if not name.startswith("ctl."):
            if self.left_to_declare <= 0:
                raise Unreachable("the broker does not answer")
            self.left_to_declare -= 1
        super().declare_journal(name, max_bytes)


@pytest.fixture
def breaking() -> Iterator[World]:
    made = World(Breaking())
    yield made
    made.close()


def broken_after(world: World, journals: int) -> None:
    assert isinstance(world.transport, Breaking)
    world.transport.left_to_declare = journals


@pytest.mark.parametrize("journals", [0, 1, 3])
def test_an_opening_that_was_cut_short_is_cleaned_up(breaking: World, journals: int) -> None:
    sessions = breaking.replica("g1")
    spec = spec_of()
    broken_after(breaking, journals)
    with pytest.raises(Unreachable):
        sessions.open(spec)
    assert len(breaking.left()) == journals
    breaking.time.seconds += 61
    reaches(sessions, spec, "aborted")
    breaking.time.seconds += LIFETIMES.result_ttl + 1
    reaches(sessions, spec, "expired")
    assert breaking.left() == []


@pytest.mark.parametrize("journals", [0, 1, 3])
def test_an_opening_that_was_cut_short_goes_on_when_asked_again(
    breaking: World, journals: int
) -> None:
    breaking.work()
    first, second = breaking.replica("g1"), breaking.replica("g2")
    spec = spec_of()
    broken_after(breaking, journals)
    with pytest.raises(Unreachable):
        first.open(spec)
    looked(breaking, first)
    broken_after(breaking, 1 << 30)
    assert second.open(spec).declared
    feed(second, spec)
    reaches(second, spec, "completed")
    assert results(breaking, spec) == ANSWER


@pytest.mark.parametrize("journals", [0, 2])
def test_an_opening_that_was_cut_short_can_be_cancelled(breaking: World, journals: int) -> None:
    sessions = breaking.replica("g1")
    spec = spec_of()
    broken_after(breaking, journals)
    with pytest.raises(Unreachable):
        sessions.open(spec)
    known = sessions.chronicle.get(spec.id)
    assert known is not None
    sessions.end(known, "cancelled", "never mind")
    reaches(sessions, spec, "cancelled")
    eventually(lambda: released(sessions, spec), "its input is released")


class Slow(MemoryTransport):
    """Declares a session's out journal only when told to."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = threading.Event()
        self.go_on = threading.Event()

    def declare_journal(self, name: str, max_bytes: int | None = None) -> None:
        if name.startswith("out."):
            self.asked.set()
            assert self.go_on.wait(PATIENCE)
        super().declare_journal(name, max_bytes)


def in_background(work: Callable[[], Any]) -> threading.Thread:
    thread = threading.Thread(target=work)
    thread.start()
    return thread


def test_looking_around_while_a_session_is_opened_does_not_lose_its_end() -> None:
    transport = Slow()
    world = World(transport)
    sessions = world.replica("g1")
    spec = spec_of()
    opening = in_background(lambda: sessions.open(spec))
    assert transport.asked.wait(PATIENCE)
    looked(world)
    transport.go_on.set()
    opening.join(PATIENCE)
    known = sessions.chronicle.get(spec.id)
    assert known is not None
    sessions.end(known, "cancelled", "")
    reaches(sessions, spec, "cancelled")
    world.close()


def test_a_session_that_ends_while_it_is_opened_leaves_no_input_behind() -> None:
    transport = Slow()
    world = World(transport)
    sessions, other = world.replica("g1"), world.replica("g2")
    spec = spec_of()
    opening = in_background(lambda: sessions.open(spec))
    assert transport.asked.wait(PATIENCE)
    known = other.chronicle.wait_until(spec.id, lambda s: s is not None, PATIENCE)
    assert known is not None
    other.end(known, "cancelled", "")
    reaches(sessions, spec, "cancelled")
    eventually(lambda: released(sessions, spec), "its input is released")
    transport.go_on.set()
    opening.join(PATIENCE)
    assert world.left() == [out_journal(spec.id)]
    world.close()


def test_a_broker_that_lost_a_sessions_end_fails_it(world: World) -> None:
    sessions = world.replica("g1")
    spec = spec_of()
    sessions.open(spec)
    world.transport.delete_journal(out_journal(spec.id))
    known = reaches(sessions, spec, "failed")
    assert known is not None
    assert known.reason == "the broker lost its journal"


def test_ending_a_session_whose_journal_is_gone_ends_it_all_the_same(world: World) -> None:
    sessions = world.replica("g1", period=3600)
    spec = spec_of()
    known = sessions.open(spec)
    sessions._heard(Fact("ended", spec.id, "g1", 0.0, {}))  # nobody watches
    world.transport.delete_journal(out_journal(spec.id))
    sessions.end(known, "aborted", "why")
    reaches(sessions, spec, "aborted")


def test_facts_that_make_no_sense_are_passed_over(world: World) -> None:
    sessions = world.replica("g1")
    for body in (b"", b"[]", b'{"kind": "alive"}', b"[" * 100_000):
        world.transport.append(SESSIONS, Message({}, body), lambda outcome: None)
    spec = spec_of()
    assert sessions.open(spec).declared


def test_a_session_that_cannot_be_looked_at_does_not_hide_the_others(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    sessions = world.replica("g1")
    bad, good = spec_of(), spec_of()
    sessions.open(bad)
    sessions.open(good)
    before = sessions._end_what_nobody_wants

    def broken(session: Session) -> None:
        if session.spec.id == bad.id:
            raise ZeroDivisionError
        before(session)

    monkeypatch.setattr(sessions, "_end_what_nobody_wants", broken)
    world.time.seconds += 61
    reaches(sessions, good, "aborted")
    assert state(sessions, bad) == "open"


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
    known = sessions.chronicle.get(spec.id)
    assert known is not None
    sessions.end(known, "cancelled", "")
    eventually(lambda: released(sessions, spec), "its input is released")
    assert failures == []


class Away(MemoryTransport):
    """A broker that stops answering."""

    away = False

    def append(self, name: str, message: Message, on_outcome: Callable[[Outcome], None]) -> None:
        if not self.away:
            super().append(name, message, on_outcome)


def test_closing_does_not_wait_for_a_broker_that_is_away() -> None:
    transport = Away()
    world = World(transport)
    sessions = world.replica("g1")
    spec = spec_of()
    sessions.open(spec)
    transport.away = True
    found: list[CoffeeshopError] = []

    def opens() -> None:
        try:
            sessions.open(spec_of())
        except CoffeeshopError as error:
            found.append(error)

    opening = in_background(opens)
    world.time.seconds += 61
    eventually(lambda: sessions._busy, "it tries to abort the session")
    world.close()
    opening.join(PATIENCE)
    assert [type(error) for error in found] == [Unreachable]


def test_closing_wakes_whoever_waits_for_word_of_a_session(world: World) -> None:
    sessions = world.replica("g1")
    asked = threading.Event()
    found: list[Session | None] = []

    def never(session: Session | None) -> bool:
        asked.set()
        return False

    waiting = in_background(
        lambda: found.append(sessions.chronicle.wait_until("nobody", never, 3600))
    )
    assert asked.wait(PATIENCE)
    world.stop(sessions)
    waiting.join(PATIENCE)
    assert found == [None]


def test_a_gateway_does_not_begin_before_it_knows_the_past(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(chronicle_module, "STORED_TIMEOUT", 0.01)
    monkeypatch.setattr(chronicle_module.Chronicle.stored, "__defaults__", (0.01,))
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
    fact = Fact("opened", spec["id"], "g9", 0.0, {"spec": spec})
    world.transport.append(SESSIONS, fact.message(), lambda outcome: None)
    looked(world)
    assert sessions.chronicle.all() == []
