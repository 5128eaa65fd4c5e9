"""Clients that announce more than they send, and then are gone."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from coffeeshop.actors.hosted import HostedNode
from coffeeshop.names import STAGES
from coffeeshop.pipeline.messages import Record, SessionSpec, TaskId
from coffeeshop.pipeline.plan import PLANS
from coffeeshop.sessions.lifetimes import OTHERS_PATIENCE, Lifetimes
from coffeeshop.sessions.outcome import SessionOutcome
from coffeeshop.sessions.registry import Session
from coffeeshop.sessions.sessions import Sessions
from coffeeshop.testing.broker import PrivateBroker
from coffeeshop.testing.clock import VirtualClock
from coffeeshop.transport import Message, Transport, connect
from coffeeshop.transport.memory import MemoryTransport
from tests.running import PATIENCE, eventually, new_id
from tests.unit.helpers import ANSWER, input_records, tuples
from tests.unit.world import pass_time

TIMEOUT = 60.0
LIFETIMES = Lifetimes(client_timeout=TIMEOUT)


@pytest.fixture(params=["memory", "rabbitmq"])
def transport(request: pytest.FixtureRequest) -> Iterator[Transport]:
    made: Any = MemoryTransport()
    if request.param == "rabbitmq":
        broker: PrivateBroker = request.getfixturevalue("broker")
        made = connect(broker.url)
    yield made
    made.close()


class Place:
    """Gateways whose clock is set by hand, and perhaps a node."""

    def __init__(self, transport: Transport) -> None:
        self.transport = transport
        self.seconds = 0.0
        self.gateways: list[Sessions] = []
        self.node: HostedNode | None = None

    def gateway(self, name: str) -> Sessions:
        made = Sessions(self.transport, LIFETIMES, name=name, now=lambda: self.seconds, period=0.01)
        self.gateways.append(made)
        made.start()
        return made

    def work(self) -> None:
        self.node = HostedNode(self.transport, STAGES, lambda reason: None)

    def words(self, spec: SessionSpec) -> int:
        """How often the tasks were told that their clients have left, in one of the journals."""
        records = [Record.of(each) for each in entries(self.transport, spec)]
        return sum(record.kind == "left" for record in records)

    def passes(self, seconds: float) -> None:
        pass_time(self, self.gateways, seconds)

    def close(self) -> None:
        for gateway in self.gateways:
            gateway.close()
        if self.node is not None:
            self.node.close(0.0)


@pytest.fixture
def place(transport: Transport) -> Iterator[Place]:
    made = Place(transport)
    yield made
    made.close()


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
) -> tuple[SessionSpec, Session]:
    """Everything a session's client has, apart from batches that it does not send."""
    spec = SessionSpec(new_id(), plan)
    known = gateway.open(spec)
    ingest = gateway.ingest(spec)
    for record in input_records(spec):
        name = record.stream, record.producer, record.number
        if record.kind == "eof":
            ingest.end(*name).result(PATIENCE)
            gateway.table_ended(spec.id, *name).result(PATIENCE)
        elif sent(record):
            ingest.batch(*name, record.body, "d").result(PATIENCE)
    eventually(lambda: known.uploaded, "all ends are there")
    return spec, known


def all_but_stores(record: Record) -> bool:
    return record.stream != "stores"


def is_over(place: Place, known: Session, state: str) -> None:
    eventually(lambda: known.state == state, f"the session is {state}")
    eventually(lambda: known.released, "its input is gone")
    place.gateways[0].delete(known)


@pytest.mark.parametrize("plan", PLANS)
def test_a_session_whose_batches_never_come_is_aborted_after_the_clients_time(
    place: Place, plan: str
) -> None:
    place.work()
    _, known = send(place.gateway("g1"), all_but_stores, plan)
    assert known.state == "open"
    place.passes(TIMEOUT + 1)
    eventually(lambda: known.state == "aborted", "it is aborted")
    assert "1 of stores from producer 0 missing" in known.reason
    is_over(place, known, "aborted")


def test_a_session_that_waits_for_its_first_node_loses_nothing(place: Place) -> None:
    gateway = place.gateway("g1")
    whole, known = send(gateway)
    _, short = send(gateway, all_but_stores)
    place.passes(2 * TIMEOUT)
    eventually(lambda: place.words(whole) == 1, "the tasks are told")
    place.work()
    eventually(lambda: known.state == "completed", "it is completed")
    outcome = SessionOutcome(place.transport, whole, VirtualClock())
    assert tuples(outcome.table("query3", PATIENCE)) == ANSWER["query3"]
    is_over(place, known, "completed")
    is_over(place, short, "aborted")


def test_a_client_that_is_heard_of_has_all_the_time(place: Place) -> None:
    gateway = place.gateway("g1")
    spec, known = send(gateway, all_but_stores)
    for _ in range(5):
        place.passes(TIMEOUT / 2)
        gateway.chronicle.seen(spec.id)
        looked = threading.Event()
        gateway._errands._pool.submit(looked.set)
        assert looked.wait(PATIENCE)
    assert place.words(spec) == 0
    stores = next(each for each in input_records(spec) if each.stream == "stores")
    gateway.ingest(spec).batch("stores", "0", 0, stores.body, "d").result(PATIENCE)
    place.work()
    is_over(place, known, "completed")


def test_another_gateway_does_it_for_one_that_is_gone(place: Place) -> None:
    place.work()
    gone, other = place.gateway("g1"), place.gateway("g2")
    spec, _ = send(gone, all_but_stores)
    place.gateways.remove(gone)
    gone.close()
    known = other.chronicle.get(spec.id)
    assert known is not None
    eventually(lambda: known.uploaded, "the other has heard of it")
    place.passes(TIMEOUT + OTHERS_PATIENCE + 1)
    eventually(lambda: other._terminals, "its end is there")
    place.seconds += OTHERS_PATIENCE + 1
    is_over(place, known, "aborted")
