"""A node of a cluster that came back apart: it denies what the others have.

RabbitMQ 3.10.8 comes to that when a node was silent for too long, but not whenever one wants it.
Brokers that never heard of each other are the same to their clients.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from queue import SimpleQueue

import pytest

from coffeeshop.errors import Unreachable
from coffeeshop.testing.broker import PrivateBroker
from coffeeshop.testing.ports import free_ports
from coffeeshop.transport import Delivery, Message, Outcome
from coffeeshop.transport.rabbitmq import witnesses
from coffeeshop.transport.rabbitmq.transport import RabbitTransport

PATIENCE = 60.0
JOURNAL, BODY = "known", b"what most nodes have"
Connect = Callable[..., RabbitTransport]


@dataclass(frozen=True)
class Nodes:
    """Two brokers that have a journal with one record, and one that has none; by their ports."""

    knowing: tuple[int, int]
    apart: int


@pytest.fixture(scope="module")
def nodes() -> Iterator[Nodes]:
    with ExitStack() as stack:
        first, second, apart = (stack.enter_context(PrivateBroker()) for _ in range(3))
        for node in (first, second):
            declare(node.port, JOURNAL)
        yield Nodes((first.port, second.port), apart.port)


def declare(port: int, journal: str) -> None:
    """Make a journal with one record on one node."""
    transport = RabbitTransport(f"amqp://guest:guest@127.0.0.1:{port}/")
    try:
        transport.declare_journal(journal)
        assert appended(transport, journal) is Outcome.CONFIRMED
    finally:
        transport.close()


def has(port: int, journal: str) -> bool:
    transport = RabbitTransport(f"amqp://guest:guest@127.0.0.1:{port}/")
    try:
        return transport.exists(journal)
    finally:
        transport.close()


@pytest.fixture
def connect(monkeypatch: pytest.MonkeyPatch) -> Iterator[Connect]:
    """A transport to hosts by their ports, of which it takes the first one first."""
    monkeypatch.setattr("random.shuffle", lambda hosts: None)
    made: list[RabbitTransport] = []

    def to(*ports: int) -> RabbitTransport:
        hosts = ",".join(f"127.0.0.1:{port}" for port in ports)
        made.append(RabbitTransport(f"amqp://guest:guest@{hosts}/"))
        return made[-1]

    yield to
    for each in made:
        each.close()


def appended(transport: RabbitTransport, journal: str) -> Outcome:
    ended: SimpleQueue[Outcome] = SimpleQueue()
    transport.append(journal, Message({}, BODY), ended.put)
    return ended.get(timeout=PATIENCE)


def first_read(transport: RabbitTransport, journal: str) -> bytes | None:
    """The first record; None when the journal is gone."""
    read: SimpleQueue[bytes | None] = SimpleQueue()

    def take(delivery: Delivery) -> None:
        read.put(delivery.message.body)

    transport.read(journal, 0, 1, take, lambda: read.put(None))
    return read.get(timeout=PATIENCE)


def test_what_one_node_denies_is_read_and_appended_to_at_another(
    nodes: Nodes, connect: Connect
) -> None:
    transport = connect(nodes.apart, *nodes.knowing)
    assert first_read(transport, JOURNAL) == BODY
    # What was unknown when the connection was left is sent again by the outbox.
    outcome = appended(transport, JOURNAL)
    assert outcome in (Outcome.CONFIRMED, Outcome.UNKNOWN)
    assert appended(transport, JOURNAL) is Outcome.CONFIRMED


def test_what_one_node_denies_is_deleted_at_another(nodes: Nodes, connect: Connect) -> None:
    for port in nodes.knowing:
        declare(port, "to delete")
    transport = connect(nodes.apart, *nodes.knowing)
    transport.delete_journal("to delete")
    assert [has(port, "to delete") for port in nodes.knowing] == [False, True]
    transport.delete_journal("never made")


def test_what_only_one_node_knows_is_declared_at_another(nodes: Nodes, connect: Connect) -> None:
    transport = connect(nodes.apart, *nodes.knowing)
    with pytest.raises(Unreachable, match="apart from the others"):
        transport.declare_journal("new")
    transport.declare_journal("new")
    assert [has(port, "new") for port in nodes.knowing] == [True, False]


def test_what_most_nodes_deny_is_gone(nodes: Nodes, connect: Connect) -> None:
    transport = connect(nodes.apart, *nodes.knowing)
    assert first_read(transport, "unknown") is None
    assert appended(transport, "unknown") is Outcome.RETURNED
    assert not transport.exists("unknown")
    assert transport.counts().reconnects == 0


def test_a_node_that_does_not_answer_has_no_voice(
    nodes: Nodes, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(witnesses, "PATIENCE", 0.5)
    transport = connect(nodes.apart, *free_ports(1))
    assert first_read(transport, JOURNAL) is None
    assert appended(transport, JOURNAL) is Outcome.RETURNED


def test_the_nodes_are_asked_over_connections_that_end(
    nodes: Nodes, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(witnesses, "IDLE", 0.1)
    transport = connect(nodes.apart, *nodes.knowing)
    asked: SimpleQueue[int] = SimpleQueue()
    closed = witnesses.Witnesses._rest

    def rest(of: witnesses.Witnesses) -> None:
        closed(of)
        asked.put(len(of._witnesses))

    monkeypatch.setattr(witnesses.Witnesses, "_rest", rest)
    for _ in range(2):
        assert first_read(transport, "unknown") is None
        while asked.get(timeout=PATIENCE):
            pass
