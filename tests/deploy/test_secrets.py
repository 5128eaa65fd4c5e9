"""The script behind ``make secrets``, and the broker that starts with what it wrote."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
from collections.abc import Iterable
from pathlib import Path

import pytest

from coffeeshop.client.gateway import GatewayClient
from coffeeshop.client.remote import analyse
from coffeeshop.errors import Forbidden
from coffeeshop.gateway.security.tokens import Client, Tokens
from coffeeshop.generate import generate
from coffeeshop.pipeline.messages import SessionSpec
from coffeeshop.reading.folder import open_folder
from coffeeshop.testing.broker import PrivateBroker
from coffeeshop.testing.processes import Cluster, url_of
from coffeeshop.transport.rabbitmq.transport import RabbitTransport
from coffeeshop.transport.rabbitmq.url import Address
from tests.deploy.stack import BROKER, ROOT, settings_of

NAMES = (
    "broker_url",
    "rabbitmq_user.conf",
    "gateway_tokens",
    "client_token",
    "admin_token",
    "grafana_password",
)
SESSION = "6d6a0a07-6f0c-4a5e-8d07-8f3f1f6a5b10"
UNDERSTOOD = {
    "consumer_timeout": "90000000",
    "max_message_size": str(16 << 20),
    "vm_memory_high_watermark": '{absolute,"1200MiB"}',
    "disk_free_limit": '"2GB"',
    "loopback_users": '[<<"guest">>]',
}
"""Keys of the broker's environment and what the configuration comes to in Erlang."""


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """As much of a checkout as the script needs, at an awkward path."""
    root = tmp_path / "a check out"
    (root / "scripts").mkdir(parents=True)
    shutil.copy(ROOT / "scripts" / "secrets.sh", root / "scripts")
    return root


def make_secrets(checkout: Path) -> str:
    done = subprocess.run(
        ["sh", str(checkout / "scripts" / "secrets.sh")],
        cwd="/",
        check=True,
        capture_output=True,
        text=True,
        timeout=30,
    )
    return done.stderr


def secrets_in(checkout: Path) -> dict[str, str]:
    return {name: (checkout / "deploy" / "secrets" / name).read_text() for name in NAMES}


def test_the_url_and_the_brokers_user_agree(checkout: Path) -> None:
    make_secrets(checkout)
    address = Address.parse(secrets_in(checkout)["broker_url"].strip())
    user = settings_of(checkout / "deploy" / "secrets" / "rabbitmq_user.conf")
    assert user == {"default_user": address.user, "default_pass": address.password}
    assert address.user != "guest"
    assert len(address.password) == 48
    assert (address.host, address.port, address.virtual_host) == (BROKER, 5672, "/")


def test_the_gateway_takes_the_tokens_that_were_made(checkout: Path) -> None:
    make_secrets(checkout)
    folder = checkout / "deploy" / "secrets"
    tokens = Tokens(folder / "gateway_tokens")
    made = {name: secrets_in(checkout)[f"{name}_token"].strip() for name in ("client", "admin")}
    assert tokens.client_of(made["client"]) == Client("client")
    assert tokens.client_of(made["admin"]) == Client("admin", admin=True)
    assert len(made["client"]) == len("coffeeshop_") + 48


def test_credentials_differ_from_checkout_to_checkout(checkout: Path, tmp_path: Path) -> None:
    shutil.copytree(checkout, tmp_path / "other")
    make_secrets(checkout)
    make_secrets(tmp_path / "other")
    one, other = secrets_in(checkout), secrets_in(tmp_path / "other")
    assert all(one[name] != other[name] for name in NAMES)


def test_a_second_run_keeps_the_credentials_and_says_nothing(checkout: Path) -> None:
    assert "new credentials" in make_secrets(checkout)
    before = secrets_in(checkout)
    assert make_secrets(checkout) == ""
    assert secrets_in(checkout) == before


def test_a_lost_user_file_is_made_again_from_the_url(checkout: Path) -> None:
    make_secrets(checkout)
    before = secrets_in(checkout)
    (checkout / "deploy" / "secrets" / "rabbitmq_user.conf").unlink()
    make_secrets(checkout)
    assert secrets_in(checkout) == before


def test_a_url_of_somebody_elses_is_left_alone(checkout: Path) -> None:
    make_secrets(checkout)
    folder = checkout / "deploy" / "secrets"
    (folder / "broker_url").chmod(0o600)
    (folder / "broker_url").write_text("amqps://me:mine@elsewhere/\n")
    assert "not of this script's making" in make_secrets(checkout)
    assert (folder / "broker_url").read_text() == "amqps://me:mine@elsewhere/\n"


def test_others_on_the_machine_cannot_read_them_and_the_containers_users_can(
    checkout: Path,
) -> None:
    make_secrets(checkout)
    folder = checkout / "deploy" / "secrets"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE((folder / name).stat().st_mode) for name in NAMES} == {0o444}


def test_the_folders_that_are_mounted_are_there_and_writable_for_the_client(
    checkout: Path,
) -> None:
    make_secrets(checkout)
    assert (checkout / ".data").is_dir()
    owner = (checkout / "results").stat().st_uid
    if os.getuid() == 0:
        assert owner == 1000
    else:
        assert (checkout / ".env").read_text().startswith(f"USER_ID={owner}\n")


@pytest.mark.usefixtures("broker")  # skips or fails where there is no RabbitMQ
def test_a_broker_starts_with_the_configuration_and_knows_this_user_only(checkout: Path) -> None:
    make_secrets(checkout)
    address = Address.parse(secrets_in(checkout)["broker_url"].strip())
    with PrivateBroker(config=configuration(checkout)) as broker:
        assert admits(broker, address.user, address.password)
        assert not admits(broker, "guest", "guest")
        assert not admits(broker, address.user, "wrong")
        users = broker.rabbitmqctl("list_users", "--no-table-headers").split("\n")
        assert users[0].split("\t") == [address.user, "[monitoring]"]
        assert users[1:] == [""]
        assert environment(broker, UNDERSTOOD) == f"[{','.join(UNDERSTOOD.values())}]"


@pytest.mark.usefixtures("broker")
def test_the_brokers_user_may_do_what_the_system_does_and_no_more(
    checkout: Path, tmp_path: Path
) -> None:
    make_secrets(checkout)
    address = Address.parse(secrets_in(checkout)["broker_url"].strip())
    generate(tmp_path / "shop", transactions=200, seed=3, layout="flat")
    with PrivateBroker(config=configuration(checkout)) as broker:
        url = f"amqp://{address.user}:{address.password}@127.0.0.1:{broker.port}/"
        with Cluster(url) as cluster:
            client = GatewayClient(url_of(cluster.start("all")))
            _, tables, _ = analyse(client, open_folder(tmp_path / "shop"), SessionSpec(SESSION))
            client.delete(SESSION)
            client.close()
        assert len(tables) == 5
        allowed = broker.rabbitmqctl("list_user_permissions", address.user, "--no-table-headers")
        used = "^(amq[.]default|(ctl|in|out)[.].*)$"
        assert allowed.split() == ["/", "^(ctl|in|out)[.].*$", used, used]
        transport = RabbitTransport(url)
        try:
            transport.wait_connected(10)
            for declare in (transport.declare_queue, transport.declare_journal):
                with pytest.raises(Forbidden, match="refuse"):
                    declare("somebody.elses")
        finally:
            transport.close()


def configuration(checkout: Path) -> str:
    """What the container's broker gets, but for the listener: a test has a port of its own."""
    lines = (ROOT / "deploy" / "rabbitmq.conf").read_text().splitlines()
    kept = [line for line in lines if not line.startswith("listeners.")]
    assert len(kept) == len(lines) - 1
    return "\n".join(kept) + "\n" + secrets_in(checkout)["rabbitmq_user.conf"]


def admits(broker: PrivateBroker, user: str, password: str) -> bool:
    transport = RabbitTransport(f"amqp://{user}:{password}@127.0.0.1:{broker.port}/")
    try:
        transport.wait_connected(10)
    except Forbidden:
        return False
    finally:
        transport.close()
    return True


def environment(broker: PrivateBroker, keys: Iterable[str]) -> str:
    """Values as the broker understood them: an Erlang list, without white space."""
    program = f"[element(2, application:get_env(rabbit, K)) || K <- [{', '.join(keys)}]]."
    return "".join(broker.rabbitmqctl("eval", program).split())
