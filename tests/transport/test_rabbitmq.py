"""What the RabbitMQ transport does when its broker fails, is blocked, refuses or is not there."""

from __future__ import annotations

import shutil
import socket
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog

from coffeeshop.errors import Forbidden, Unreachable, UsageError
from coffeeshop.testing.broker import PrivateBroker
from coffeeshop.transport import Message, Outcome
from coffeeshop.transport.rabbitmq import RabbitTransport
from tests.transport.heard import CONFIRMED, PATIENCE, Bench, Heard, numbered

FEW_CHANNELS = 64
LARGEST = 1_000_000
SMALL = f"channel_max = {FEW_CHANNELS}\nmax_message_size = {LARGEST}"


class Events(Heard[dict[str, Any]]):
    """Everything that is logged."""

    def wait(self, event: str, **fields: object) -> None:
        """Wait until an event with these fields was logged."""
        wanted = {"event": event, **fields}
        with self._changed:
            assert self._changed.wait_for(
                lambda: any(wanted.items() <= one.items() for one in self._values), PATIENCE
            ), f"no {wanted} in {self._values}"

    def keep(self, _logger: object, _method: str, event: dict[str, Any]) -> dict[str, Any]:
        """A processor of the log."""
        self(dict(event))
        raise structlog.DropEvent


@pytest.fixture
def events() -> Iterator[Events]:
    """What is logged during the test."""
    before = structlog.get_config()
    heard = Events()
    structlog.configure(
        processors=[heard.keep], wrapper_class=structlog.make_filtering_bound_logger(0)
    )
    yield heard
    structlog.configure(**before)


@pytest.fixture(scope="module")
def fragile(broker: PrivateBroker) -> Iterator[PrivateBroker]:
    """A broker to kill, which allows few channels on a connection and no large messages."""
    with PrivateBroker(config=SMALL) as private:
        yield private


@pytest.fixture
def bench(fragile: PrivateBroker) -> Iterator[Bench]:
    """A transport to the fragile broker."""
    fragile.start()
    made = Bench(RabbitTransport(fragile.url))
    try:
        yield made
        made.clear()
    finally:
        made.transport.close()


def transport_of(bench: Bench) -> RabbitTransport:
    assert isinstance(bench.transport, RabbitTransport)
    return bench.transport


def test_a_killed_broker_loses_nothing_confirmed_and_readings_go_on(
    fragile: PrivateBroker, bench: Bench
) -> None:
    journals = [bench.journal() for _ in range(4)]
    readings = {name: bench.read(name, credit=100_000) for name in journals}
    outcomes: dict[tuple[str, int], Outcome] = {}
    heard: Heard[Outcome] = Heard()

    def append(name: str, number: int) -> None:
        def ended(outcome: Outcome) -> None:
            outcomes[name, number] = outcome
            heard(outcome)

        body = str(number).encode()
        bench.transport.append(name, Message({}, body + b" " * 10_000), ended)

    for number in range(600):
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
        bench.append(name, b"last")
        stored = all_until(bench, name, b"last")
        assert reading.bodies(len(stored)) == stored
        numbers = [int(body) for body in stored[:-1]]
        assert numbers == sorted(set(numbers))
        confirmed = {n for (j, n), end in outcomes.items() if j == name and end is CONFIRMED}
        assert confirmed <= set(numbers)
        assert reading.gone.all == []
    assert transport_of(bench).counts().reconnects >= 3


def all_until(bench: Bench, journal: str, last: bytes) -> list[bytes]:
    """A new reading from 0 up to a body."""
    complete = threading.Event()

    def look(delivery: Any) -> None:
        if delivery.message.body == last:
            complete.set()

    reading = bench.read(journal, credit=100_000, then=look)
    assert complete.wait(PATIENCE)
    reading.reader.close()
    return [delivery.message.body for delivery in reading.deliveries.all]


def test_credit_outstanding_when_the_connection_is_lost_stays_exact(
    fragile: PrivateBroker, bench: Bench, events: Events
) -> None:
    journal = bench.journal()
    bench.append(journal, *numbered(range(100)))
    reading = bench.read(journal, credit=10)
    reading.deliveries.first(10)
    reading.reader.credit(5)
    reading.deliveries.first(15)
    fragile.rabbitmqctl("close_all_connections", "for a test")
    events.wait("transport.lost", link="coffeeshop:read-0")
    bench.settle()
    assert len(reading.deliveries.all) == 15
    for credited in range(16, 41):
        reading.reader.credit(1)
        assert reading.bodies(credited) == numbered(range(credited))
    bench.settle()
    assert len(reading.deliveries.all) == 40
    reading.reader.credit(60)
    assert reading.bodies(100) == numbered(range(100))


def test_a_tag_from_before_a_reconnect_settles_nothing(
    fragile: PrivateBroker, bench: Bench
) -> None:
    queue = bench.queue()
    bench.publish(queue, *numbered(range(5)))
    consuming = bench.consume(queue)
    stale = consuming.handed.first(5)
    fragile.rabbitmqctl("close_all_connections", "for a test")
    assert sorted(consuming.bodies(10)[5:]) == numbered(range(5))
    for handed in stale:
        consuming.consumer.ack(handed.tag)
        consuming.consumer.requeue(handed.tag)
    bench.settle()
    assert len(consuming.handed.all) == 10
    consuming.consumer.close()
    again = bench.consume(queue)
    assert sorted(again.bodies(5)) == numbered(range(5))
    again.ack_all()
    bench.settle()
    again.consumer.close()
    bench.publish(queue, b"last")
    assert bench.consume(queue).bodies(1) == [b"last"]


def test_declarations_and_deletions_wait_for_a_broker_that_restarts(
    fragile: PrivateBroker, bench: Bench
) -> None:
    old = bench.journal()
    fragile.kill()
    made: Heard[str] = Heard()
    journal, queue = bench.journal(declared=False), bench.queue(declared=False)

    def declare() -> None:
        bench.transport.delete_journal(old)
        bench.transport.declare_queue(queue)
        bench.transport.declare_journal(journal)
        made("all")

    caller = threading.Thread(target=declare)
    caller.start()
    fragile.start()
    made.first(1)
    caller.join(PATIENCE)
    bench.append(journal, b"a")
    bench.publish(queue, b"b")
    assert bench.outcomes(old, b"c") == [Outcome.RETURNED]


def test_a_restarted_broker_has_every_journal_although_it_first_says_otherwise(
    fragile: PrivateBroker, bench: Bench
) -> None:
    journals = [bench.journal() for _ in range(20)]
    readings = [bench.read(journal) for journal in journals]
    fragile.kill()
    fragile.start()
    for journal in journals:
        bench.append(journal, b"after")
    for reading in readings:
        assert reading.bodies(1) == [b"after"]
        assert reading.gone.all == []


def test_appends_wait_while_the_broker_has_an_alarm_and_reads_go_on(
    fragile: PrivateBroker, bench: Bench, events: Events
) -> None:
    journal = bench.journal()
    bench.append(journal, b"before")
    heard: Heard[Outcome] = Heard()
    fragile.rabbitmqctl("set_vm_memory_high_watermark", "0.0000001")
    try:
        while fragile.rabbitmqctl("eval", "rabbit_alarm:get_alarms().").strip() == "[]":
            pass
        for body in (b"1", b"2"):
            bench.transport.append(journal, Message({}, body), heard)
        events.wait("transport.blocked", link="coffeeshop:publish")
        bench.transport.append(journal, Message({}, b"3"), heard)
        assert bench.read(journal).bodies(1) == [b"before"]
        bench.journal()
        counts = transport_of(bench).counts()
        assert (counts.blocked, counts.unconfirmed, heard.all) == (True, 3, [])
    finally:
        fragile.rabbitmqctl("set_vm_memory_high_watermark", "0.4")
    assert heard.first(3) == [CONFIRMED] * 3
    assert bench.read(journal).bodies(4) == [b"before", b"1", b"2", b"3"]
    events.wait("transport.unblocked")
    assert not transport_of(bench).counts().blocked


def test_closing_while_blocked_ends_the_waiting_appends(
    fragile: PrivateBroker, bench: Bench, events: Events
) -> None:
    journal, other = bench.journal(), RabbitTransport(fragile.url, name="other")
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


def test_hundreds_of_readers_share_a_few_connections(bench: Bench) -> None:
    journals = [bench.journal() for _ in range(30)]
    readings = [(name, bench.read(name)) for name in journals for _ in range(10)]
    for name in journals:
        bench.append(name, name.encode())
    for name, reading in readings:
        assert reading.bodies(1) == [name.encode()]
    counts = transport_of(bench).counts()
    assert counts.readers == 300
    assert 300 <= counts.channels < 330
    assert 300 // FEW_CHANNELS + 2 <= counts.connections < 20
    for _, reading in readings:
        reading.reader.close()


def test_a_wrong_password_is_refused_and_never_logged(
    broker: PrivateBroker, events: Events, caplog: pytest.LogCaptureFixture
) -> None:
    transport = RabbitTransport(f"amqp://guest:s3cret-word@127.0.0.1:{broker.port}/")
    try:
        with pytest.raises(Forbidden) as refused:
            transport.wait_connected(PATIENCE)
        with pytest.raises(Forbidden):
            transport.declare_journal("test.refused")
        events.wait("transport.lost")
    finally:
        transport.close()
    said = f"{events.all} {caplog.text} {refused.value} {refused.value.__cause__!r}"
    assert "guest@127.0.0.1" in said
    assert "s3cret-word" not in said


def test_an_unknown_virtual_host_is_refused(broker: PrivateBroker) -> None:
    transport = RabbitTransport(f"{broker.url}nowhere")
    try:
        with pytest.raises(Forbidden):
            transport.wait_connected(PATIENCE)
    finally:
        transport.close()


def certificates(folder: Path) -> tuple[Path, Path, Path]:
    """An authority's certificate; a certificate by it for localhost, and the key of that."""
    ca, ca_key, cert, key = (folder / f"{name}.pem" for name in ("ca", "ca_key", "cert", "key"))
    new = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 1"
    name = "-addext subjectAltName=DNS:localhost -addext basicConstraints=CA:FALSE"
    for command in (
        f"{new} -subj /CN=authority -keyout {ca_key} -out {ca}",
        f"{new} -subj /CN=localhost {name} -CA {ca} -CAkey {ca_key} -keyout {key} -out {cert}",
    ):
        subprocess.run(command.split(), check=True, capture_output=True)
    return ca, cert, key


@pytest.mark.skipif(shutil.which("openssl") is None, reason="makes its certificate with openssl")
def test_messages_travel_over_tls_to_a_broker_that_is_trusted_only(tmp_path: Path) -> None:
    ca, cert, key = certificates(tmp_path)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    config = f"""
        listeners.ssl.1 = 127.0.0.1:{port}
        ssl_options.cacertfile = {ca}
        ssl_options.certfile = {cert}
        ssl_options.keyfile = {key}
        ssl_options.verify = verify_peer
        ssl_options.fail_if_no_peer_cert = true
    """
    url = f"amqps://guest:guest@127.0.0.1:{port}/?cert={cert}&key={key}"
    with PrivateBroker(config=config):
        made = Bench(RabbitTransport(f"{url}&ca={ca}&server_name=localhost"))
        doubting = RabbitTransport(url)
        try:
            journal = made.journal()
            bodies = [bytes([number]) * 500_000 for number in range(20)]
            made.append(journal, *bodies)
            assert made.read(journal).bodies(20) == bodies
            with pytest.raises(Unreachable):
                doubting.wait_connected(0.5)
        finally:
            doubting.close()
            made.transport.close()


def test_a_broker_that_is_not_there_is_unreachable_and_appends_end_unknown() -> None:
    transport = RabbitTransport("amqp://guest:guest@127.0.0.1:1/", call_timeout=0.2)
    heard: Heard[Outcome] = Heard()
    gone: Heard[None] = Heard()
    try:
        with pytest.raises(Unreachable):
            transport.wait_connected(0.2)
        for blocking in (transport.declare_journal, transport.delete_queue):
            with pytest.raises(Unreachable):
                blocking("test.unreachable")
        transport.append("test.unreachable", Message(), heard)
        transport.read("test.unreachable", 0, 1, heard, lambda: gone(None))  # type: ignore[arg-type]
    finally:
        transport.close()
    assert heard.all == [Outcome.UNKNOWN]
    assert gone.all == []
    with pytest.raises(Unreachable):
        transport.declare_queue("test.unreachable")


def test_closing_ends_a_blocking_call(broker: PrivateBroker) -> None:
    transport = RabbitTransport("amqp://guest:guest@127.0.0.1:1/")
    heard: Heard[str] = Heard()

    def call() -> None:
        heard("calling")
        with pytest.raises(Unreachable):
            transport.declare_queue("test.unreachable")
        heard("ended")

    caller = threading.Thread(target=call)
    caller.start()
    heard.first(1)
    transport.close()
    caller.join(PATIENCE)
    assert heard.all == ["calling", "ended"]


def test_closing_leaves_no_thread(broker: PrivateBroker) -> None:
    before = set(threading.enumerate())
    transport = RabbitTransport(broker.url)
    transport.wait_connected(PATIENCE)
    assert set(threading.enumerate()) - before
    transport.close()
    assert not set(threading.enumerate()) - before


def test_a_blocking_call_from_a_callback_is_refused(bench: Bench) -> None:
    heard: Heard[str] = Heard()

    def ended(_: Outcome) -> None:
        try:
            bench.transport.declare_queue("test.from.callback")
        except RuntimeError as error:
            heard(str(error))

    bench.transport.append(bench.journal(), Message(), ended)
    assert "callback" in heard.first(1)[0]


def test_a_callback_that_raises_is_reported_and_harms_nobody_else(
    bench: Bench, events: Events
) -> None:
    journal = bench.journal()

    def fail(_: Outcome) -> None:
        raise ZeroDivisionError

    bench.transport.append(journal, Message(), fail)
    events.wait("transport.call_failed")
    bench.append(journal, b"next")


@pytest.mark.parametrize(
    ("name", "headers"),
    [
        ("j" * 256, {}),
        ("", {}),
        ("j", {"": "x"}),
        ("j", {"k" * 256: "x"}),
        ("j", {"k": 2**63}),
        ("j", {"k": "x" * 70_000}),
    ],
)
def test_a_message_that_cannot_be_encoded_is_refused_at_once(
    bench: Bench, name: str, headers: dict[str, str | int]
) -> None:
    with pytest.raises(ValueError, match=r"must|fit"):
        bench.transport.append(name, Message(headers), lambda outcome: None)


def test_a_header_of_another_type_is_refused_at_once(bench: Bench) -> None:
    message = Message({"k": 1.5})  # type: ignore[dict-item]
    with pytest.raises(TypeError, match="neither"):
        bench.transport.append("j", message, lambda outcome: None)


def test_reading_far_beyond_the_end_waits_there(bench: Bench) -> None:
    journal = bench.journal()
    bench.append(journal, b"a")
    beyond = bench.read(journal, offset=1_000_000)
    bench.settle()
    assert (beyond.deliveries.all, beyond.gone.all) == ([], [])
    assert bench.read(journal).bodies(1) == [b"a"]


def test_a_journal_declared_with_another_bound_serves_all_the_same(bench: Bench) -> None:
    journal = bench.journal(max_bytes=100_000_000)
    bench.append(journal, b"a")
    bench.transport.declare_journal(journal)
    assert bench.read(journal).bodies(1) == [b"a"]


def test_a_message_the_broker_refuses_is_unknown_and_the_next_one_is_stored(
    bench: Bench, events: Events
) -> None:
    journal = bench.journal()
    assert bench.outcomes(journal, b"x" * (LARGEST + 1)) == [Outcome.UNKNOWN]
    bench.append(journal, b"y" * LARGEST)
    assert bench.read(journal).bodies(1) == [b"y" * LARGEST]
    events.wait("transport.publishing_refused")


def test_a_queue_of_a_journals_name_is_refused(bench: Bench) -> None:
    journal = bench.journal()
    with pytest.raises(UsageError, match="x-queue-type"):
        bench.transport.declare_queue(journal)


def test_small_messages_on_many_pages_of_the_socket_arrive_whole(bench: Bench) -> None:
    journal = bench.journal()
    bodies = [bytes([number % 256]) * (number % 700) for number in range(5000)]
    heard: Heard[Outcome] = Heard()
    for number, body in enumerate(bodies):
        bench.transport.append(journal, Message({"number": number}, body), heard)
    assert set(heard.first(5000)) == {CONFIRMED}
    assert bench.read(journal, credit=5000).bodies(5000) == bodies
