"""A node of a cluster that came back apart: it denies what the others have.

RabbitMQ 3.10.8 comes to that when a node was silent for too long, but not whenever one wants it.
Two brokers that never heard of each other are the same to their clients.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from queue import SimpleQueue

import pytest

from coffeeshop.testing.broker import PrivateBroker
from coffeeshop.testing.ports import free_ports
from coffeeshop.transport import Delivery, Message, Outcome
from coffeeshop.transport.rabbitmq import witnesses
from coffeeshop.transport.rabbitmq.transport import RabbitTransport

PATIENCE = 60.0
JOURNAL, BODY = "known", b"what most nodes have"
Connect = Callable[..., RabbitTransport]


@pytest.fixture(scope="module")
def nodes() -> Iterator[tuple[PrivateBroker, PrivateBroker]]:
    """A broker that has a journal with one record, and one that has none."""
    with PrivateBroker() as knowing, PrivateBroker() as apart:
        transport = RabbitTransport(knowing.url)
        transport.declare_journal(JOURNAL)
        assert appended(transport, JOURNAL) is Outcome.CONFIRMED
        transport.close()
        yield knowing, apart


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
    nodes: tuple[PrivateBroker, PrivateBroker], connect: Connect
) -> None:
    knowing, apart = nodes
    transport = connect(apart.port, knowing.port)
    transport.wait_connected(PATIENCE)
    assert first_read(transport, JOURNAL) == BODY
    assert transport.exists(JOURNAL), "declarations go to the other node, too"
    # What was unknown when the connection was left is sent again by the outbox.
    outcome = appended(transport, JOURNAL)
    assert outcome in (Outcome.CONFIRMED, Outcome.UNKNOWN)
    assert appended(transport, JOURNAL) is Outcome.CONFIRMED


def test_what_all_nodes_deny_is_gone(
    nodes: tuple[PrivateBroker, PrivateBroker], connect: Connect
) -> None:
    transport = connect(*(node.port for node in nodes))
    assert first_read(transport, "unknown") is None
    assert appended(transport, "unknown") is Outcome.RETURNED
    assert transport.counts().reconnects == 0


def test_a_node_that_does_not_answer_has_no_voice(
    nodes: tuple[PrivateBroker, PrivateBroker],
    connect: Connect,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(witnesses, "PATIENCE", 0.5)
    transport = connect(nodes[1].port, *free_ports(1))
    assert first_read(transport, JOURNAL) is None
    assert appended(transport, JOURNAL) is Outcome.RETURNED


def test_the_nodes_are_asked_over_connections_that_end(
    nodes: tuple[PrivateBroker, PrivateBroker],
    connect: Connect,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(witnesses, "IDLE", 0.1)
    transport = connect(*(node.port for node in nodes))
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
