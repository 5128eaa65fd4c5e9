"""What a connection to a broker counts, for Prometheus."""

from __future__ import annotations

from concurrent.futures import Future

import pytest

from coffeeshop.observability.metrics import render
from coffeeshop.service import broker_metrics, transport_status
from coffeeshop.testing.broker import PrivateBroker
from coffeeshop.transport import Message, Outcome
from coffeeshop.transport.memory import MemoryTransport
from coffeeshop.transport.rabbitmq.transport import RabbitTransport

WAIT = 60.0


def samples(transport: RabbitTransport) -> dict[str, float]:
    text = render({**transport_status(transport), **broker_metrics(transport)})[0].decode()
    pairs = [line.rsplit(" ", 1) for line in text.splitlines() if line.startswith("coffeeshop_")]
    return {name.removeprefix("coffeeshop_"): float(value) for name, value in pairs}


def append(transport: RabbitTransport, journal: str, body: bytes) -> Outcome:
    done: Future[Outcome] = Future()
    transport.append(journal, Message({}, body), done.set_result)
    return done.result(WAIT)


@pytest.mark.timeout(120)
def test_messages_are_counted_by_how_they_end_and_how_long_that_takes(
    broker: PrivateBroker,
) -> None:
    transport = RabbitTransport(broker.url, name="meters")
    try:
        transport.declare_journal("ctl.meters")
        before = samples(transport)
        assert before['published_total{outcome="confirmed"}'] == 0
        for size in (1, 20, 300):
            assert append(transport, "ctl.meters", b"x" * size) is Outcome.CONFIRMED
        assert append(transport, "ctl.meters.missing", b"x") is Outcome.RETURNED
        after = samples(transport)
        assert after["broker_connected"] == 1
        assert after['published_total{outcome="confirmed"}'] == 3
        assert after['published_total{outcome="returned"}'] == 1
        assert after["published_bytes_total"] >= 321
        assert after["publish_confirm_seconds_count"] >= 3
        assert 0 < after["publish_confirm_seconds_sum"] < WAIT
        transport.delete_journal("ctl.meters")
    finally:
        transport.close()


def test_a_broker_that_is_away_is_told() -> None:
    transport = RabbitTransport("amqp://a:b@127.0.0.1:1/")
    try:
        assert samples(transport)["broker_connected"] == 0
    finally:
        transport.close()


def test_a_transport_in_memory_is_never_away() -> None:
    transport = MemoryTransport()
    try:
        assert transport_status(transport) == {}
        assert broker_metrics(transport) == {"broker_connected": 1}
    finally:
        transport.close()
