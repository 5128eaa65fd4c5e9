"""What a gateway does about what tasks miss reaches the broker, and is counted."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from coffeeshop.pipeline.messages import (
    Assignment,
    Record,
    SessionSpec,
    TaskId,
    assign_queue,
    out_journal,
)
from coffeeshop.pipeline.progress import Gap
from coffeeshop.pipeline.repair import IN_VAIN, REPAIR, Missing, done
from coffeeshop.sessions.lifecycle import Session
from coffeeshop.sessions.repairs import SessionRepairs
from coffeeshop.sessions.sessions import Sessions
from coffeeshop.transport import QueueDelivery
from tests.running import eventually, new_id
from tests.unit.world import World, feed, spec_of

BATCHES = Gap("stores", "0", 3, ((1, 2),))
FILTER = "filters.1"


@pytest.fixture
def world() -> Iterator[World]:
    made = World()
    yield made
    made.close()


@pytest.fixture
def spec() -> SessionSpec:
    return spec_of(partitions=2)


@pytest.fixture
def sessions(world: World, spec: SessionSpec) -> Sessions:
    made = world.replica("one")
    made.open(spec)
    feed(made, spec)
    eventually(lambda: session_of(made, spec).uploaded, "all ends are there")
    return made


def session_of(sessions: Sessions, spec: SessionSpec) -> Session:
    found = sessions.log.get(spec.id)
    assert found is not None
    return found


def say(world: World, spec: SessionSpec, *records: Record) -> None:
    for record in records:
        world.transport.append(out_journal(spec.id), record.message(), lambda outcome: None)


def entries(world: World, journal: str) -> list[Record]:
    with world.transport.lock:
        kept = world.transport.journals[journal]
        return [Record.of(kept.message(n)) for n in range(len(kept.entries))]


def test_the_end_of_a_table_is_repeated(
    world: World, sessions: Sessions, spec: SessionSpec
) -> None:
    journal = TaskId(spec.id, "aggregator_query3", 0).journal

    def ends() -> int:
        return sum((r.kind, r.stream) == ("eof", "stores") for r in entries(world, journal))

    before = ends()
    say(world, spec, Missing("aggregator_query3.0", Gap("stores", "0", None)).record())
    eventually(lambda: ends() > before, "the end is there once more")
    eventually(lambda: sessions.repairs.counts["ends_repeated"] == 1, "it is counted")


def test_an_assignment_is_published_again_under_the_number_of_its_request(
    world: World, sessions: Sessions, spec: SessionSpec
) -> None:
    task = TaskId(spec.id, "filters", 1)
    handed: list[QueueDelivery] = []
    sessions.feed(spec.id)
    queue = assign_queue("filters")
    eventually(lambda: world.transport.exists(queue), "the tasks wait for nodes")
    consumer = world.transport.consume(queue, 9, handed.append, lambda: None)
    eventually(lambda: len(handed) == 2, "the first assignments")
    gap = Gap("query1_partial", FILTER, 1, ((0, 0),))
    say(world, spec, done(task), Missing("aggregator_query1.0", gap).record())
    eventually(lambda: len(handed) == 3, "one more")
    consumer.close()
    assert Assignment.from_bytes(handed[2].message.body) == Assignment(spec, task)
    assert handed[2].message.headers[REPAIR] == 2
    eventually(lambda: sessions.repairs.counts["recomputed"] == 1, "it is counted")


def test_a_client_that_does_not_answer_is_given_up_by_name(
    world: World, sessions: Sessions, spec: SessionSpec
) -> None:
    journal = TaskId(spec.id, "aggregator_query3", 0).journal
    requests = [Missing("aggregator_query3.0", BATCHES, n).record() for n in range(IN_VAIN + 1)]
    say(world, spec, *requests[:-1])
    eventually(lambda: sessions.repairs.counts["asked"] == IN_VAIN, "they are heard")
    world.time.seconds += sessions.timeouts.client_timeout + 1
    sessions.log.seen(spec.id)
    say(world, spec, requests[-1])
    eventually(lambda: sessions.repairs.counts["counted_as_gone"] == 1, "it is given up")
    last = entries(world, journal)[-1]
    assert (last.kind, last.body) == (
        "client_gone",
        b"the client did not send again what is missing",
    )


def test_batches_that_were_asked_for_are_counted_when_they_come(
    world: World, sessions: Sessions, spec: SessionSpec
) -> None:
    say(world, spec, Missing("aggregator_query3.0", BATCHES).record())
    eventually(lambda: sessions.repairs.counts["asked"] == 1, "it is heard")
    assert sessions.repairs.missing(spec.id)[0]["ranges"] == [[1, 2]]
    assert sessions.repairs.asks(spec.id, "stores", 0)
    assert not sessions.repairs.asks(spec.id, "stores", 1)
    assert not sessions.repairs.asks(new_id(), "stores", 0)
    for table, producer, number in (("stores", 0, 0), ("stores", 1, 1), ("users", 0, 1)):
        sessions.repairs.take(spec.id, table, producer, number)
    assert sessions.repairs.counts["sent_again"] == 0
    sessions.repairs.take(spec.id, "stores", 0, 2)
    assert sessions.repairs.counts["sent_again"] == 1


def test_what_a_task_got_or_can_do_without_is_asked_for_no_more(
    world: World, sessions: Sessions, spec: SessionSpec
) -> None:
    def asked() -> list[str]:
        return [each["table"] for each in sessions.repairs.missing(spec.id)]

    task = TaskId(spec.id, "aggregator_query3", 0)
    say(world, spec, *(Missing(task.producer, BATCHES, n).record() for n in (0, 1)))
    eventually(lambda: sessions.repairs.counts["asked"] == 2, "it is heard")
    assert asked() == ["stores"]
    users = Gap("users", "0", 3, ((0, 0),))
    say(world, spec, Missing(task.producer, users).record())
    eventually(lambda: asked() == ["users"], "the stores came")
    say(world, spec, done(task))
    eventually(lambda: asked() == [], "it has everything")
    sessions.repairs.forget(spec.id)
    assert asked() == []


def test_a_request_that_nobody_can_read_is_passed_over(
    world: World, sessions: Sessions, spec: SessionSpec
) -> None:
    say(world, spec, Record("missing", "stores", "0", 0, b"?"))
    say(world, spec, Missing("aggregator_query3.0", BATCHES).record())
    eventually(lambda: sessions.repairs.counts["asked"] == 1, "the other one is heard")
    assert session_of(sessions, spec).state == "open"


@pytest.mark.parametrize(("age", "is_due"), [(99.0, False), (101.0, True)])
def test_a_keeper_that_has_just_begun_counts_the_silence_before_it(
    sessions: Sessions, spec: SessionSpec, age: float, is_due: bool
) -> None:
    session = session_of(sessions, spec)
    uploaded = max(session.table_times.values())
    repairs = SessionRepairs(
        sessions.outbox,
        60.0,
        lambda session, reason: None,
        now=lambda: 5.0,
        wall=lambda: uploaded + age,
        stalled_after=100.0,
    )
    assert repairs.look(session, ()) is is_due
