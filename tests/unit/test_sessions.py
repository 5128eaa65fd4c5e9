"""A session's life at a gateway: opened, fed, ended, released, removed."""

from __future__ import annotations

import threading

import pytest

from coffeeshop.errors import CoffeeshopError, JournalGone, ProtocolError
from coffeeshop.gateway.session_bodies import details, public, uploaded_at
from coffeeshop.pipeline.messages import Record, SessionSpec, out_journal
from coffeeshop.pipeline.plan import PLANS
from coffeeshop.transport import Message
from tests.running import PATIENCE, eventually, readers_of
from tests.unit.helpers import ANSWER
from tests.unit.world import (
    TIMEOUTS,
    World,
    feed,
    looked,
    reaches,
    released,
    results,
    spec_of,
)


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
    world.time.seconds += TIMEOUTS.result_ttl + 1
    reaches(sessions, spec, "expired")
    assert world.left() == []
    assert sessions.log.expired_owner(spec.id) is not None
    assert [fact.fields["state"] for fact in world.written("ended")] == ["completed"]
    eventually(lambda: readers_of(world.transport, "") == 1, "only ctl.sessions is read")


def test_results_stay_until_their_time_has_come(world: World) -> None:
    world.work()
    sessions = world.replica("g1")
    spec = spec_of()
    sessions.open(spec)
    feed(sessions, spec)
    reaches(sessions, spec, "completed")
    world.time.seconds += TIMEOUTS.result_ttl - 1
    looked(world)
    assert results(world, spec) == ANSWER


def test_a_session_opened_twice_is_one(world: World) -> None:
    sessions = world.replica("g1")
    spec = spec_of()
    assert sessions.open(spec, "first") == sessions.open(spec, "second")
    assert sessions.log.all()[0].name == "first"


def test_a_session_opened_at_two_replicas_is_one(world: World) -> None:
    first, second = world.replica("g1"), world.replica("g2")
    spec = spec_of()
    first.open(spec)
    assert second.open(spec).gateway == "g1"
    with pytest.raises(ProtocolError, match="different parameters"):
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
    assert len({fact.gateway for fact in world.written("opened")}) <= 2


def test_a_failed_session_ends_with_its_reason(world: World) -> None:
    sessions = world.replica("g1")
    spec = spec_of()
    sessions.open(spec)
    failed = Record("failed", "session", "filters.0", 0, b"a bad batch")
    world.transport.append(out_journal(spec.id), failed.message(), lambda outcome: None)
    known = reaches(sessions, spec, "failed")
    assert known.reason == "a bad batch"
    eventually(lambda: released(sessions, spec), "its input is released")
    assert world.left() == [out_journal(spec.id)]


def test_of_a_cancellation_and_a_failure_the_first_in_the_journal_counts(world: World) -> None:
    sessions = world.replica("g1")
    spec = spec_of()
    opened = sessions.open(spec)
    failed = Record("failed", "session", "x", 0, b"broke")
    world.transport.append(out_journal(spec.id), failed.message(), lambda outcome: None)
    sessions.end(opened, "cancelled", "too late")
    known = reaches(sessions, spec, "failed")
    assert known.reason == "broke"


def test_a_cancelled_session_says_so(world: World) -> None:
    sessions = world.replica("g1")
    spec = spec_of()
    sessions.end(sessions.open(spec), "cancelled", "enough")
    known = reaches(sessions, spec, "cancelled")
    assert known.reason == "enough"


def test_results_that_make_no_sense_fail_the_session(world: World) -> None:
    sessions = world.replica("g1")
    spec = spec_of()
    sessions.open(spec)
    world.transport.append(out_journal(spec.id), Message({"kind": "?"}), lambda outcome: None)
    known = reaches(sessions, spec, "failed")
    assert "cannot be read" in known.reason


@pytest.mark.parametrize("is_open", [True, False])
def test_a_deleted_session_leaves_nothing(world: World, is_open: bool) -> None:
    sessions = world.replica("g1")
    spec = spec_of()
    known = sessions.open(spec)
    if not is_open:
        sessions.end(known, "cancelled", "")
        reaches(sessions, spec, "cancelled")
    sessions.delete(known)
    assert sessions.log.updated(known).state == "cancelled"
    reaches(sessions, spec, "expired")
    assert world.left() == []


def test_the_id_of_a_removed_session_opens_nothing(world: World) -> None:
    sessions = world.replica("g1")
    spec = spec_of()
    sessions.delete(sessions.open(spec))
    reaches(sessions, spec, "expired")
    with pytest.raises(JournalGone):
        sessions.open(spec)
    assert world.left() == []


def test_results_stay_as_long_as_somebody_asked_for(world: World) -> None:
    world.work()
    sessions = world.replica("g1")
    spec = spec_of()
    opened = sessions.open(spec)
    feed(sessions, spec)
    reaches(sessions, spec, "completed")
    eventually(lambda: released(sessions, spec), "its input is released")
    sessions.keep(opened, 2 * TIMEOUTS.result_ttl)
    sessions.keep(opened, 1.0)
    kept = sessions.log.updated(opened)
    assert kept.kept_until == world.time.seconds + 2 * TIMEOUTS.result_ttl
    assert sessions.timeouts.expires_at(kept) == kept.kept_until
    world.time.seconds += TIMEOUTS.result_ttl + 1
    looked(world)
    assert results(world, spec) == ANSWER
    world.time.seconds += TIMEOUTS.result_ttl
    reaches(sessions, spec, "expired")


def test_nobody_keeps_results_for_ever(world: World) -> None:
    sessions = world.replica("g1")
    opened = sessions.open(spec_of())
    sessions.keep(opened, 1e12)
    assert sessions.log.updated(opened).kept_until == world.time.seconds + TIMEOUTS.longest_keep


def test_the_times_of_records_are_the_same_at_every_replica(world: World) -> None:
    world.work()
    first = world.replica("g1")
    spec = spec_of()
    opened = first.open(spec)
    world.time.seconds += 5
    feed(first, spec)
    reaches(first, spec, "completed")
    eventually(lambda: released(first, spec), "its input is released")
    known = world.replica("g2").log.get(spec.id)
    assert known is not None
    size = {"input_bytes": 0}  # of which the others hear now and then only
    opened = first.log.updated(opened)
    assert {**public(known), **size} == {**public(opened), **size}
    assert details(known) == details(opened)
    assert known.declared_at == 1_000.0
    assert uploaded_at(known) == world.time.seconds
    assert set(known.result_times) == set(PLANS[spec.plan].results)
    assert known.result_bytes > 0


def test_bad_rows_are_told_of_a_session_that_failed_for_them(world: World) -> None:
    first, second = world.replica("g1"), world.replica("g2")
    opened = first.open(spec_of())
    row = {"file": "a.csv", "line": 7, "column": None, "value": "x", "reason": "no time"}
    first.end(opened, "failed", "bad data: a.csv, line 7: no time", [row])
    known = reaches(second, opened.spec, "failed")
    assert details(known)["bad_rows"] == [row]
    assert known.reason == "bad data: a.csv, line 7: no time"
