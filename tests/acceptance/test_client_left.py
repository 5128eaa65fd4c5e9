"""Clients that announce more than they send, and then are gone."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from coffeeshop.actors import NodeConfig
from coffeeshop.actors.hosted import HostedNode
from coffeeshop.names import STAGES
from coffeeshop.pipeline.messages import Record, SessionSpec, TaskId
from coffeeshop.pipeline.plan import PLANS
from coffeeshop.sessions.outcome import SessionOutcome
from coffeeshop.sessions.sessions import Sessions
from coffeeshop.testing.broker import PrivateBroker
from coffeeshop.testing.clock import VirtualClock
from coffeeshop.transport import Message, Transport, connect
from coffeeshop.transport.memory import MemoryTransport
from tests.running import PATIENCE, eventually, new_id
from tests.unit.helpers import ANSWER, input_records, tuples
from tests.unit.world import (
    PING,
    TIMEOUTS,
    World,
    looked,
    reaches,
    released,
    state,
    table_ended,
    uploaded,
)

TIMEOUT = TIMEOUTS.client_timeout


@pytest.fixture(params=["memory", "rabbitmq"])
def transport(request: pytest.FixtureRequest) -> Iterator[Transport]:
    made: Any = MemoryTransport()
    if request.param == "rabbitmq":
        broker: PrivateBroker = request.getfixturevalue("broker")
        made = connect(broker.url)
    yield made
    made.close()


@pytest.fixture
def world(transport: Transport) -> Iterator[World]:
    made = World(transport)  # type: ignore[arg-type]
    yield made
    made.close()


def told(world: World, spec: SessionSpec) -> int:
    """How often the tasks were told that their clients have left, in one of the journals."""
    records = [Record.of(each) for each in entries(world.transport, spec)]
    return sum(record.kind == "client_gone" for record in records)


def entries(transport: Transport, spec: SessionSpec) -> list[Message]:
    """Everything that the journal of query 3's task holds now."""
    journal = TaskId(spec.id, "aggregator_query3", 0).journal
    found: list[Message] = []
    end = threading.Event()
    mark = new_id()

    def take(delivery: Any) -> None:
        found.append(delivery.message)
        if delivery.message.headers.get("mark") == mark:
            end.set()

    # A repeat, which tasks drop: when it is read all of it was.
    repeat = Record("eof", "stores", "0", 1).headers()
    transport.append(journal, Message({**repeat, "mark": mark}), lambda outcome: None)
    reader = transport.read(journal, 0, 1 << 20, take, lambda: None)
    assert end.wait(PATIENCE)
    reader.close()
    return found


def send(
    gateway: Sessions, sent: Callable[[Record], bool] = lambda record: True, plan: str = "fused"
) -> SessionSpec:
    """Everything a session's client has, apart from batches that it does not send."""
    spec = SessionSpec(new_id(), plan)
    gateway.open(spec)
    ingest = gateway.ingest(spec)
    for record in input_records(spec):
        name = record.stream, record.producer, record.number
        if record.kind == "eof":
            ingest.end(*name).result(PATIENCE)
            table_ended(gateway, spec, *name)
        elif sent(record):
            ingest.batch(*name, record.body, "d").result(PATIENCE)
    eventually(lambda: uploaded(gateway, spec), "all ends are there")
    return spec


def all_but_stores(record: Record) -> bool:
    return record.stream != "stores"


def is_over(gateway: Sessions, spec: SessionSpec, state: str) -> None:
    known = reaches(gateway, spec, state)
    eventually(lambda: released(gateway, spec), "its input is gone")
    gateway.delete(known)


@pytest.mark.parametrize("plan", PLANS)
def test_a_session_whose_batches_never_come_is_aborted_after_the_clients_time(
    world: World, plan: str
) -> None:
    world.work()
    gateway = world.replica("g1")
    spec = send(gateway, all_but_stores, plan)
    assert state(gateway, spec) == "open"
    world.passes(TIMEOUT + PING)
    known = reaches(gateway, spec, "aborted")
    assert "1 of stores from producer 0 missing" in known.reason
    is_over(gateway, spec, "aborted")


def test_a_session_that_waits_for_its_first_node_loses_nothing(world: World) -> None:
    gateway = world.replica("g1")
    whole, short = send(gateway), send(gateway, all_but_stores)
    world.passes(2 * TIMEOUT)
    eventually(lambda: told(world, whole) == 1, "the tasks are told")
    world.work()
    reaches(gateway, whole, "completed")
    outcome = SessionOutcome(world.transport, whole, VirtualClock())
    assert tuples(outcome.table("query3", PATIENCE)) == ANSWER["query3"]
    is_over(gateway, whole, "completed")
    is_over(gateway, short, "aborted")


def test_a_client_that_is_heard_of_has_all_the_time(world: World) -> None:
    gateway = world.replica("g1")
    spec = send(gateway, all_but_stores)
    for _ in range(5):
        world.passes(TIMEOUT / 2)
        gateway.log.seen(spec.id)
        looked(world)
    assert told(world, spec) == 0
    stores = next(each for each in input_records(spec) if each.stream == "stores")
    gateway.ingest(spec).batch("stores", "0", 0, stores.body, "d").result(PATIENCE)
    world.work()
    is_over(gateway, spec, "completed")


def test_another_gateway_does_it_for_one_that_is_gone(world: World) -> None:
    world.work()
    gone, other = world.replica("g1"), world.replica("g2")
    spec = send(gone, all_but_stores)
    world.stop(gone)
    eventually(lambda: uploaded(other, spec), "the other has heard of it")
    world.passes(TIMEOUT + PING)
    is_over(other, spec, "aborted")


def asking(world: World) -> None:
    """Work by a node whose tasks soon ask for what they miss."""
    config = NodeConfig(repair_after=0.05)
    world.node = HostedNode(world.transport, STAGES, lambda reason: None, config)


def test_a_client_that_is_asked_and_sends_it_has_its_answers(world: World) -> None:
    asking(world)
    gateway = world.replica("g1")
    spec = send(gateway, all_but_stores)
    eventually(lambda: gateway.repairs.missing(spec.id), "its tasks ask")
    (asked, *_) = gateway.repairs.missing(spec.id)
    assert (asked["table"], asked["producer"], asked["ranges"]) == ("stores", "0", [[0, 0]])
    stores = next(each for each in input_records(spec) if each.stream == "stores")
    gateway.ingest(spec).batch("stores", "0", 0, stores.body, "d").result(PATIENCE)
    is_over(gateway, spec, "completed")


def test_a_client_that_is_there_and_does_not_answer_counts_as_gone(world: World) -> None:
    asking(world)
    gateway = world.replica("g1")
    spec = send(gateway, all_but_stores)
    eventually(lambda: gateway.repairs.missing(spec.id), "its tasks ask")
    for _ in range(3):
        world.passes(TIMEOUT / 2)
        gateway.log.seen(spec.id)
        looked(world)
    known = reaches(gateway, spec, "aborted")
    assert known.reason == (
        "the client did not send again what is missing: "
        "1 of stores from producer 0 missing (batch 0)"
    )
    is_over(gateway, spec, "aborted")
