"""What the RabbitMQ transport does when its broker is killed, restarted, blocked or frozen."""

from __future__ import annotations

import threading
from typing import Any

from coffeeshop.testing.broker import PrivateBroker
from coffeeshop.transport import Message, Outcome
from coffeeshop.transport.rabbitmq.transport import RabbitTransport
from tests.transport.fragile import Events, transport_of
from tests.transport.heard import CONFIRMED, PATIENCE, Bench, Heard, numbered


def test_a_killed_broker_loses_nothing_confirmed_and_readings_go_on(
    fragile: PrivateBroker, rabbit: Bench
) -> None:
    journals = [rabbit.journal() for _ in range(4)]
    readings = {name: rabbit.read(name, credit=100_000) for name in journals}
    outcomes: dict[tuple[str, int], Outcome] = {}
    heard: Heard[Outcome] = Heard()

    def append(name: str, number: int) -> None:
        def ended(outcome: Outcome) -> None:
            outcomes[name, number] = outcome
            heard(outcome)

        body = str(number).encode()
        rabbit.transport.append(name, Message({}, body + b" " * 10_000), ended)

    for name, reading in readings.items():
        append(name, 0)
        reading.bodies(1)  # its connection is there, and breaks with the others
    for number in range(1, 600):
        for name in journals:
            append(name, number)
    heard.first(40)
    fragile.kill()
    for number in range(600, 700):
        for name in journals:
            append(name, number)
    fragile.start()
    assert set(heard.first(2800)) <= {CONFIRMED, Outcome.UNKNOWN}
    for name, reading in readings.items():
        rabbit.append(name, b"last")
        stored = all_until(rabbit, name, b"last")
        assert reading.bodies(len(stored)) == stored
        numbers = [int(body) for body in stored[:-1]]
        assert numbers == sorted(set(numbers))
        confirmed = {n for (j, n), end in outcomes.items() if j == name and end is CONFIRMED}
        assert confirmed <= set(numbers)
        assert reading.gone.all == []
    assert transport_of(rabbit).counts().reconnects >= 3


def all_until(rabbit: Bench, journal: str, last: bytes) -> list[bytes]:
    """A new reading from 0 up to a body."""
    complete = threading.Event()

    def look(delivery: Any) -> None:
        if delivery.message.body == last:
            complete.set()

    reading = rabbit.read(journal, credit=100_000, then=look)
    assert complete.wait(PATIENCE)
    reading.reader.close()
    return [delivery.message.body for delivery in reading.deliveries.all]


def test_credit_outstanding_when_the_connection_is_lost_stays_exact(
    fragile: PrivateBroker, rabbit: Bench, events: Events
) -> None:
    journal = rabbit.journal()
    rabbit.append(journal, *numbered(range(100)))
    reading = rabbit.read(journal, credit=10)
    reading.deliveries.first(10)
    reading.reader.credit(5)
    reading.deliveries.first(15)
    fragile.rabbitmqctl("close_all_connections", "for a test")
    events.wait("transport.lost", link="coffeeshop:read-0")
    rabbit.settle()
    assert len(reading.deliveries.all) == 15
    for credited in range(16, 41):
        reading.reader.credit(1)
        assert reading.bodies(credited) == numbered(range(credited))
    rabbit.settle()
    assert len(reading.deliveries.all) == 40
    reading.reader.credit(60)
    assert reading.bodies(100) == numbered(range(100))


def test_a_tag_from_before_a_reconnect_settles_nothing(
    fragile: PrivateBroker, rabbit: Bench
) -> None:
    queue = rabbit.queue()
    rabbit.publish(queue, *numbered(range(5)))
    consuming = rabbit.consume(queue)
    stale = consuming.handed.first(5)
    fragile.rabbitmqctl("close_all_connections", "for a test")
    assert sorted(consuming.bodies(10)[5:]) == numbered(range(5))
    for handed in stale:
        consuming.consumer.ack(handed.tag)
        consuming.consumer.requeue(handed.tag)
    rabbit.settle()
    assert len(consuming.handed.all) == 10
    consuming.consumer.close()
    again = rabbit.consume(queue)
    assert sorted(again.bodies(5)) == numbered(range(5))
    again.ack_all()
    rabbit.settle()
    again.consumer.close()
    rabbit.publish(queue, b"last")
    assert rabbit.consume(queue).bodies(1) == [b"last"]


def test_declarations_and_deletions_wait_for_a_broker_that_restarts(
    fragile: PrivateBroker, rabbit: Bench
) -> None:
    old = rabbit.journal()
    fragile.kill()
    made: Heard[str] = Heard()
    journal, queue = rabbit.journal(declared=False), rabbit.queue(declared=False)

    def declare() -> None:
        rabbit.transport.delete_journal(old)
        rabbit.transport.declare_queue(queue)
        rabbit.transport.declare_journal(journal)
        made("all")

    caller = threading.Thread(target=declare)
    caller.start()
    fragile.start()
    made.first(1)
    caller.join(PATIENCE)
    rabbit.append(journal, b"a")
    rabbit.publish(queue, b"b")
    assert rabbit.outcomes(old, b"c") == [Outcome.RETURNED]


def test_a_restarted_broker_has_every_journal_although_it_first_says_otherwise(
    fragile: PrivateBroker, rabbit: Bench
) -> None:
    journals = [rabbit.journal() for _ in range(20)]
    readings = [rabbit.read(journal) for journal in journals]
    fragile.kill()
    fragile.start()
    for journal in journals:
        rabbit.append(journal, b"after")
    for reading in readings:
        assert reading.bodies(1) == [b"after"]
        assert reading.gone.all == []


def test_appends_wait_while_the_broker_has_an_alarm_and_reads_go_on(
    fragile: PrivateBroker, rabbit: Bench, events: Events
) -> None:
    journal = rabbit.journal()
    rabbit.append(journal, b"before")
    heard: Heard[Outcome] = Heard()
    fragile.rabbitmqctl("set_vm_memory_high_watermark", "0.0000001")
    try:
        while fragile.rabbitmqctl("eval", "rabbit_alarm:get_alarms().").strip() == "[]":
            pass
        for body in (b"1", b"2"):
            rabbit.transport.append(journal, Message({}, body), heard)
        events.wait("transport.blocked", link="coffeeshop:publish")
        rabbit.transport.append(journal, Message({}, b"3"), heard)
        assert rabbit.read(journal).bodies(1) == [b"before"]
        rabbit.journal()
        counts = transport_of(rabbit).counts()
        assert (counts.blocked, counts.unconfirmed, heard.all) == (True, 3, [])
    finally:
        fragile.rabbitmqctl("set_vm_memory_high_watermark", "0.4")
    assert heard.first(3) == [CONFIRMED] * 3
    assert rabbit.read(journal).bodies(4) == [b"before", b"1", b"2", b"3"]
    events.wait("transport.unblocked")
    assert not transport_of(rabbit).counts().blocked


def test_closing_while_blocked_ends_the_waiting_appends(
    fragile: PrivateBroker, rabbit: Bench, events: Events
) -> None:
    journal, other = rabbit.journal(), RabbitTransport(fragile.url, name="other")
    heard: Heard[Outcome] = Heard()
    fragile.rabbitmqctl("set_vm_memory_high_watermark", "0.0000001")
    try:
        while fragile.rabbitmqctl("eval", "rabbit_alarm:get_alarms().").strip() == "[]":
            pass
        other.append(journal, Message({}, b"1"), heard)
        events.wait("transport.blocked", link="other:publish")
        other.append(journal, Message({}, b"2"), heard)
    finally:
        other.close()
        fragile.rabbitmqctl("set_vm_memory_high_watermark", "0.4")
    assert heard.all == [Outcome.UNKNOWN] * 2


def test_a_frozen_broker_is_given_up_and_found_again(
    fragile: PrivateBroker, events: Events
) -> None:
    made = Bench(RabbitTransport(f"{fragile.url}?heartbeat=60", confirm_timeout=1))
    try:
        journal = made.journal()
        made.append(journal, b"before")
        fragile.freeze()
        try:
            assert made.outcomes(journal, b"lost") == [Outcome.UNKNOWN]
        finally:
            fragile.thaw()
        events.wait("transport.lost", reason="TimeoutError")
        while made.outcomes(journal, b"after") != [CONFIRMED]:
            pass
        made.clear()
    finally:
        made.transport.close()


def test_a_silent_connection_is_given_up(fragile: PrivateBroker, events: Events) -> None:
    transport = RabbitTransport(f"{fragile.url}?heartbeat=1", closing_timeout=0.5)
    try:
        transport.wait_connected(PATIENCE)
        fragile.freeze()
        try:
            events.wait("transport.lost", reason="AMQPHeartbeatTimeout")
        finally:
            fragile.thaw()
        transport.wait_connected(PATIENCE)
    finally:
        transport.close()


def test_closing_does_not_wait_long_for_a_frozen_broker(fragile: PrivateBroker) -> None:
    transport = RabbitTransport(fragile.url, closing_timeout=0.2)
    transport.wait_connected(PATIENCE)
    opening = RabbitTransport(fragile.url, closing_timeout=0.2)
    fragile.freeze()
    try:
        transport.close()
        opening.close()
    finally:
        fragile.thaw()


def test_each_start_of_a_broker_is_waited_for_once(fragile: PrivateBroker, events: Events) -> None:
    """The mark that tells the second comer does not survive the restart."""
    fragile.restart()
    for comer in ("first", "second"):
        made = Bench(RabbitTransport(fragile.url, name=comer))
        before = len(waits(events))
        try:
            made.append(made.journal(), b"a")
            made.clear()
        finally:
            made.transport.close()
        assert (len(waits(events)) > before) is (comer == "first")


def waits(events: Events) -> list[dict[str, Any]]:
    return [event for event in events.all if event["event"] == "transport.settling"]


def test_a_queue_of_the_old_kind_is_replaced_when_it_is_idle_and_serves_until_then(
    fragile: PrivateBroker, rabbit: Bench
) -> None:
    """Earlier releases made classic queues."""
    idle, full = rabbit.queue(declared=False), rabbit.queue(declared=False)
    for name in (idle, full):
        fragile.rabbitmqctl("eval", CLASSIC.format(name=name))
    rabbit.publish(full, b"waiting")
    for name in (idle, full):
        rabbit.transport.declare_queue(name)
        rabbit.transport.declare_queue(name)
        rabbit.publish(name, b"more")
    assert kinds(fragile, idle, full) == ["quorum", "classic"]
    assert sorted(rabbit.consume(full).bodies(2)) == [b"more", b"waiting"]
    fragile.rabbitmqctl("delete_queue", full)
    rabbit.transport.declare_queue(full)
    assert kinds(fragile, full) == ["quorum"]


CLASSIC = """
rabbit_amqqueue:declare(
    rabbit_misc:r(<<"/">>, queue, <<"{name}">>), true, false, [], none, <<"test">>).
"""


def kinds(broker: PrivateBroker, *names: str) -> list[str]:
    table = broker.rabbitmqctl("list_queues", "--no-table-headers", "name", "type")
    rows = dict(line.split("\t") for line in table.splitlines())
    return [rows[name] for name in names]
