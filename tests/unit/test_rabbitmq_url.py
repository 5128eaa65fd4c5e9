"""AMQP URLs."""

from __future__ import annotations

import ssl
import subprocess
import sys
from pathlib import Path

import pytest

from coffeeshop.errors import UsageError
from coffeeshop.transport import connect
from coffeeshop.transport.rabbitmq.url import Address, Tls


def test_a_url_says_host_port_user_and_virtual_host() -> None:
    address = Address.parse("amqp://me:p%40ss@broker.example:1234/shop%2Fone?heartbeat=7")
    assert (address.host, address.port, address.heartbeat) == ("broker.example", 1234, 7)
    assert (address.user, address.password) == ("me", "p@ss")
    assert (address.virtual_host, address.tls) == ("shop/one", None)


@pytest.mark.parametrize("path", ["", "/"])
def test_a_short_url_means_the_usual_port_user_and_virtual_host(path: str) -> None:
    address = Address.parse(f"amqp://broker{path}")
    assert (address.port, address.user, address.password) == (5672, "guest", "guest")
    assert address.virtual_host == "/"


def test_the_redacted_url_and_the_text_of_an_address_hide_the_password() -> None:
    address = Address.parse("amqps://me:s3cret@broker/shop?key=/private/key.pem")
    assert address.redacted == "amqps://me@broker:5671/shop"
    assert "s3cret" not in repr(address)
    assert "key.pem" not in repr(address)


def test_a_url_may_name_several_hosts_each_with_a_port_of_its_own() -> None:
    address = Address.parse("amqp://me:a,b@one,two:77,[::1],[::2]:78/shop?heartbeat=9")
    assert address.hosts == (("one", 5672), ("two", 77), ("::1", 5672), ("::2", 78))
    assert (address.password, address.virtual_host, address.heartbeat) == ("a,b", "shop", 9)
    assert address.redacted == "amqp://me@one:5672,two:77,[::1]:5672,[::2]:78/shop"
    each = address.each()
    assert [one.hosts for one in each] == [(host,) for host in address.hosts]
    assert {one.password for one in each} == {"a,b"}


def test_a_silent_node_is_left_sooner_where_another_can_take_over() -> None:
    assert Address.parse("amqp://one,two").heartbeat == 5
    assert Address.parse("amqp://one").heartbeat == 20


def test_a_cluster_behind_the_name_of_a_balancer_is_said_to_be_one() -> None:
    balancer = Address.parse("amqp://balancer?cluster=true")
    assert (balancer.cluster, balancer.heartbeat) == (True, 5)
    assert Address.parse("amqp://balancer?cluster=true&heartbeat=9").heartbeat == 9
    assert Address.parse("amqp://one,two").cluster
    assert not Address.parse("amqp://one").cluster


def test_an_ipv6_host_keeps_its_brackets_in_the_redacted_url() -> None:
    assert Address.parse("amqp://[::1]:77/").redacted == "amqp://guest@[::1]:77/"


@pytest.mark.parametrize(
    ("url", "complaint"),
    [
        ("amqp://me:s3cret@broker:port/", "host and port"),
        ("http://me:s3cret@broker/", "must have the form amqp"),
        ("amqp:///", "must have the form amqp"),
        ("amqp://me:s3cret@one,,two/", "empty host"),
        ("amqp://me:s3cret@one:1,two:99999/", "host and port"),
        ("amqp://me:s3cret@broker/?heartbeat=soon", "heartbeat"),
        ("amqp://me:s3cret@broker/?cluster=3", "cluster .* true or false"),
        ("amqp://me:s3cret@broker/?verify=false", "unknown option .*verify"),
        ("amqps://me:s3cret@broker/?verify=perhaps", "true or false"),
        ("amqps://me:s3cret@broker/?cafile=x", "cafile"),
    ],
)
def test_a_wrong_url_is_refused_without_quoting_the_password(url: str, complaint: str) -> None:
    with pytest.raises(UsageError, match=complaint) as refused:
        Address.parse(url)
    assert "s3cret" not in str(refused.value)


def test_options_in_the_url_win_over_the_callers() -> None:
    address = Address.parse("amqps://broker/?verify=no&ca=b.pem", Tls(ca="a.pem", cert="c.pem"))
    assert address.tls == Tls(ca="b.pem", cert="c.pem", verify=False)


def test_tls_options_need_a_tls_url() -> None:
    with pytest.raises(UsageError, match="amqps"):
        Address.parse("amqp://broker/", Tls())


def test_an_unverified_context_trusts_anybody_and_a_verified_one_does_not() -> None:
    assert Tls(verify=False).context().verify_mode is ssl.CERT_NONE
    context = Tls().context()
    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, True)


def test_tls_files_of_no_use_are_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"missing\.pem"):
        Tls(ca=str(tmp_path / "missing.pem")).context()


@pytest.mark.parametrize("url", ["redis://broker", "", "amqp:broker"])
def test_other_urls_have_no_transport(url: str) -> None:
    with pytest.raises(UsageError, match="memory:"):
        connect(url)


def test_the_embedded_transport_has_a_url() -> None:
    connect("memory:").close()


def test_a_brokers_url_has_a_transport_whether_or_not_the_broker_is_there() -> None:
    connect("amqp://127.0.0.1:1/", name="absent").close()


def test_the_embedded_mode_does_not_load_the_brokers_client() -> None:
    look = (
        "import sys, coffeeshop.transport as t; t.connect('memory:').close(); print(*sys.modules)"
    )
    loaded = subprocess.run([sys.executable, "-c", look], stdout=subprocess.PIPE, check=True)
    assert b"pika" not in loaded.stdout.split()
