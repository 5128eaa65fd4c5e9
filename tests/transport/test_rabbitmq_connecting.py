"""Connecting to RabbitMQ: with a password, over TLS, to nobody; and ending all of it."""

from __future__ import annotations

import shutil
import socket
import subprocess
import threading
from pathlib import Path

import pytest

from coffeeshop.errors import Forbidden, Unreachable
from coffeeshop.testing.broker import PrivateBroker
from coffeeshop.testing.ports import free_ports
from coffeeshop.transport import Message, Outcome
from coffeeshop.transport.rabbitmq.transport import RabbitTransport
from tests.transport.fragile import Events
from tests.transport.heard import PATIENCE, Bench, Heard


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
    (port,) = free_ports(1)
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


def test_of_several_hosts_one_that_answers_is_found(broker: PrivateBroker) -> None:
    hosts = f"127.0.0.1:1,127.0.0.1:{broker.port},127.0.0.1:2"
    transport = RabbitTransport(f"amqp://guest:guest@{hosts}/")
    try:
        transport.wait_connected(PATIENCE)
    finally:
        transport.close()


@pytest.mark.skipif(not hasattr(socket, "TCP_USER_TIMEOUT"), reason="not on this system")
def test_a_host_that_acknowledges_nothing_is_given_up_within_twenty_seconds(
    broker: PrivateBroker,
) -> None:
    """The kernel counts the seconds; heartbeats see to it that there is something to count for."""
    transport = RabbitTransport(broker.url)
    try:
        transport.wait_connected(PATIENCE)
        connection = transport._control_link.connection
        assert connection is not None
        option = connection._socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT)
        assert option / 1000 + connection.params.heartbeat / 2 <= 20
    finally:
        transport.close()
