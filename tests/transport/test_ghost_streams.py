"""Names without a stream: what a broker keeps that was killed while it made or deleted one."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from queue import SimpleQueue

import pytest

from coffeeshop.errors import JournalBroken
from coffeeshop.testing.broker import PrivateBroker
from coffeeshop.testing.ghost_streams import begin_stream, forget_stream, lose_stream, remove
from coffeeshop.transport import Delivery, Message, Outcome
from coffeeshop.transport.rabbitmq import absence as rabbitmq_absence
from coffeeshop.transport.rabbitmq import control as rabbitmq_control
from coffeeshop.transport.rabbitmq import subscription as rabbitmq_subscription
from coffeeshop.transport.rabbitmq.transport import RabbitTransport

NAMES = ("begun", "begun too", "lost", "lost too")
PATIENCE = 120.0


@pytest.fixture(scope="module")
def ghosts(broker: PrivateBroker) -> Iterator[PrivateBroker]:
    """A broker with a good stream and four names; it has restarted since they broke."""
    with PrivateBroker() as private:
        transport = RabbitTransport(private.url)
        for name in ("good", *NAMES[2:]):
            transport.declare_journal(name)
        transport.close()
        for name in NAMES[:2]:
            begin_stream(private, name, like="good")
        for name in NAMES[2:]:
            lose_stream(private, name)
        private.restart()  # in good order, so that no name is lost
        assert set(NAMES) <= set(private.rabbitmqctl("list_queues", "-s", "name").splitlines())
        yield private


@pytest.fixture
def transport(ghosts: PrivateBroker, monkeypatch: pytest.MonkeyPatch) -> Iterator[RabbitTransport]:
    """A transport with less patience: it is for brokers with many streams."""
    monkeypatch.setattr(rabbitmq_control, "ABSENT_PATIENCE", 2.0)
    made = RabbitTransport(ghosts.url)
    try:
        yield made
    finally:
        made.close()


def test_neither_declared_nor_deleted_and_said_so_while_others_go_on(
    transport: RabbitTransport,
) -> None:
    for act in (transport.declare_journal, transport.delete_journal):
        with ThreadPoolExecutor(20) as pool:
            broken = {name: pool.submit(act, name) for name in NAMES}
            others = [pool.submit(transport.declare_journal, f"new {n}") for n in range(12)]
            for name, call in broken.items():
                error = call.exception(PATIENCE)
                assert isinstance(error, JournalBroken)
                assert f"holds {name} without" in str(error)
            for other in others:
                other.result(PATIENCE)
    for number in range(12):
        transport.delete_journal(f"new {number}")


def test_a_name_without_a_stream_exists(transport: RabbitTransport) -> None:
    with ThreadPoolExecutor(len(NAMES)) as pool:
        assert all(pool.map(transport.exists, NAMES, timeout=PATIENCE))


def test_a_declaration_that_the_broker_repeats_without_a_stream_is_not_believed(
    ghosts: PrivateBroker, transport: RabbitTransport
) -> None:
    """RabbitMQ itself answers it with success."""
    transport.declare_journal("repeated")
    lose_stream(ghosts, "repeated")
    with pytest.raises(JournalBroken, match="holds repeated without"):
        transport.declare_journal("repeated")
    remove(ghosts, "repeated")
    transport.declare_journal("repeated")
    transport.delete_journal("repeated")


def test_a_reader_of_such_a_name_is_told_it_is_gone_and_other_readers_read_on(
    ghosts: PrivateBroker, transport: RabbitTransport, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The broker closes the connection that such a reader attaches on, without a word of which."""
    monkeypatch.setattr(rabbitmq_subscription, "BROKEN_PATIENCE", 2.0)
    for name in ("read", "lost lately"):
        transport.declare_journal(name)
    lose_stream(ghosts, "lost lately")
    arrived: SimpleQueue[Delivery] = SimpleQueue()
    gone: SimpleQueue[str] = SimpleQueue()
    transport.read("read", 0, 100, arrived.put, lambda: gone.put("read"))
    transport.read("lost lately", 0, 100, arrived.put, lambda: gone.put("lost lately"))
    for _ in range(3):
        transport.append("read", Message(), lambda _: None)
        arrived.get(timeout=PATIENCE)
    assert gone.get(timeout=PATIENCE) == "lost lately"
    before = transport.counts().reconnects
    transport.append("read", Message(), lambda _: None)
    assert arrived.get(timeout=PATIENCE).offset == 3
    assert transport.counts().reconnects == before
    assert gone.empty()
    remove(ghosts, "lost lately")
    transport.delete_journal("read")


def test_a_stream_that_a_broker_does_not_have_for_minutes_is_lost_but_those_of_all_sessions(
    ghosts: PrivateBroker, transport: RabbitTransport, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It says each time that the node of the stream is down, and is that node itself."""
    monkeypatch.setattr(rabbitmq_control, "ABSENT_PATIENCE", 0.3)
    monkeypatch.setattr(rabbitmq_absence, "LOST_PATIENCE", 1.0)
    gone: SimpleQueue[str] = SimpleQueue()
    outcomes: dict[str, SimpleQueue[Outcome]] = {}
    for name in ("ctl.absent", "absent"):
        transport.declare_journal(name)
        forget_stream(ghosts, name)
        outcomes[name] = SimpleQueue()
        transport.read(name, 0, 100, lambda _: None, lambda name=name: gone.put(name))
    found = Outcome.UNKNOWN
    while found is Outcome.UNKNOWN:
        for name, told in outcomes.items():
            transport.append(name, Message(), told.put)
        assert outcomes["ctl.absent"].get(timeout=PATIENCE) is Outcome.UNKNOWN
        found = outcomes["absent"].get(timeout=PATIENCE)
    assert found is Outcome.RETURNED
    assert gone.get(timeout=PATIENCE) == "absent"
    assert gone.empty()
    for name in outcomes:
        remove(ghosts, name)


@pytest.mark.long
def test_a_broker_that_loses_a_stream_and_runs_on_is_asked_until_it_says_so(
    ghosts: PrivateBroker, transport: RabbitTransport
) -> None:
    transport.declare_journal("lost lately")
    lose_stream(ghosts, "lost lately")
    with ThreadPoolExecutor(2) as pool:
        deletion = pool.submit(transport.delete_journal, "lost lately")
        transport.declare_journal("meanwhile")
        assert not deletion.done()
        assert isinstance(deletion.exception(PATIENCE), JournalBroken)
    transport.delete_journal("meanwhile")
    remove(ghosts, "lost lately")


def test_after_the_operators_command_the_name_is_free(
    ghosts: PrivateBroker, transport: RabbitTransport
) -> None:
    for name in NAMES:
        remove(ghosts, name)
        assert not transport.exists(name)
        transport.declare_journal(name)
        transport.delete_journal(name)
