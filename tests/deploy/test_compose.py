"""compose.yaml against what it promises: who is confined, watched, secret and within limits."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path, PurePosixPath
from typing import Any

import pytest

from coffeeshop.settings import Settings
from tests.deploy.stack import (
    BROKER,
    COMPOSE,
    DOCKERFILE,
    ROOT,
    load,
    nodes,
    ours,
    services,
    settings_of,
    size,
    variables,
)


def test_without_a_profile_there_are_a_broker_a_gateway_and_a_worker() -> None:
    plain = {name for name, service in services().items() if not service.get("profiles")}
    assert plain == {BROKER, "gateway", "worker"}


def test_only_loopback_ports_are_published() -> None:
    published = [port for service in services().values() for port in service.get("ports", ())]
    assert sorted(published) == [
        "127.0.0.1:15672:15672",
        "127.0.0.1:3000:3000",
        "127.0.0.1:9000:9000",
        "127.0.0.1:9090:9090",
    ]


@pytest.mark.parametrize("name", services())
def test_every_service_is_confined(name: str) -> None:
    service = services()[name]
    user, _, group = service["user"].partition(":")
    assert int(user) > 0
    assert int(group) > 0
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["init"] is True
    assert "/tmp" in service["tmpfs"]
    assert not {"privileged", "cap_add", "pid", "network_mode"} & service.keys()
    assert {"memory", "pids"} <= service["deploy"]["resources"]["limits"].keys()


@pytest.mark.parametrize("name", services())
def test_what_serves_is_watched_and_started_again(name: str) -> None:
    service = services()[name]
    if name == "client":
        assert not {"restart", "healthcheck"} & service.keys()
        return
    assert service["restart"] == "unless-stopped"
    assert {"test", "interval", "timeout", "retries", "start_period"} == set(service["healthcheck"])
    assert service["healthcheck"]["test"][0] == "CMD"


def test_nodes_may_be_multiplied() -> None:
    for name, service in nodes().items():
        assert not {"container_name", "hostname"} & service.keys()
        assert name == "gateway" or "ports" not in service


def test_secrets_are_files_that_are_never_committed() -> None:
    ignored = (ROOT / ".gitignore").read_text().splitlines()
    assert "/deploy/secrets/" in ignored
    for secret in load()["secrets"].values():
        assert set(secret) == {"file"}
        assert PurePosixPath(secret["file"]).parent == PurePosixPath("deploy/secrets")


def test_no_password_is_in_an_environment_or_a_command() -> None:
    text = COMPOSE.read_text() + DOCKERFILE.read_text()
    for word in ("guest", "PASS", "COFFEESHOP_BROKER_URL:", "amqp://"):
        assert word not in text


@pytest.mark.parametrize("name", nodes())
def test_nodes_read_the_broker_from_their_secret(name: str, tmp_path: Path) -> None:
    service = services()[name]
    secret = PurePosixPath(service["environment"]["COFFEESHOP_BROKER_URL_FILE"])
    assert secret == PurePosixPath("/run/secrets") / service["secrets"][0]
    (tmp_path / "url").write_text("amqp://a:b@rabbitmq:5672/\n")
    environment = {**service["environment"], "COFFEESHOP_BROKER_URL_FILE": str(tmp_path / "url")}
    assert Settings.read(environment).broker == "amqp://a:b@rabbitmq:5672/"


def test_the_gateway_knows_who_may_use_it_and_the_client_shows_its_token() -> None:
    gateway, client = services()["gateway"], services()["client"]
    tokens = PurePosixPath(gateway["environment"]["COFFEESHOP_TOKENS_FILE"])
    assert tokens == PurePosixPath("/run/secrets/gateway_tokens")
    assert tokens.name in gateway["secrets"]
    shown = PurePosixPath(client["environment"]["COFFEESHOP_TOKEN_FILE"])
    assert [f"/run/secrets/{name}" for name in client["secrets"]] == [str(shown)]
    assert "--insecure" not in COMPOSE.read_text()


def test_all_of_ours_run_the_image_that_is_built_here() -> None:
    assert {service["image"] for service in ours().values()} == {"coffeeshop:local"}
    assert {service["build"] for service in ours().values()} == {"."}
    assert services()[BROKER]["image"] == "rabbitmq:4-management"


def test_a_client_cannot_reach_the_broker() -> None:
    client, broker = services()["client"], services()[BROKER]
    assert not set(client["networks"]) & set(broker["networks"])
    assert client["secrets"] == ["client_token"]
    assert set(services()["gateway"]["networks"]) == {*client["networks"], *broker["networks"]}


def test_fragments_and_references_are_resolved() -> None:
    whole = load()
    assert "<<" not in str(whole)
    for service in whole["services"].values():
        assert set(service.get("depends_on", ())) <= set(whole["services"])
        assert set(service["networks"]) <= set(whole["networks"])
        for secret in service.get("secrets", ()):
            source = secret if isinstance(secret, str) else secret["source"]
            assert source in whole["secrets"]
        for config in service.get("configs", ()):
            assert (ROOT / whole["configs"][config["source"]]["file"]).is_file()


def test_every_variable_has_a_default() -> None:
    assert "DATA_ROOT" in variables()
    assert all(variables().values())


def limits(name: str) -> dict[str, Any]:
    found: dict[str, Any] = services()[name]["deploy"]["resources"]["limits"]
    return found


def test_the_broker_blocks_publishers_before_it_meets_its_limit() -> None:
    configured = settings_of(ROOT / "deploy" / "rabbitmq.conf")
    watermark = size(configured["vm_memory_high_watermark.absolute"])
    assert watermark <= 0.7 * size(limits(BROKER)["memory"])


@pytest.mark.parametrize(
    ("tool", "options", "file", "spoil"),
    [
        ("hadolint", (), DOCKERFILE, "USER 10001:10001\nRUN sudo true\n"),
        (
            "check-jsonschema",
            ("--builtin-schema", "vendor.compose-spec"),
            COMPOSE,
            "\nnonsense: {services: 1}\n",
        ),
    ],
    ids=["Dockerfile", "compose.yaml"],
)
def test_the_linters_pass_and_would_not_pass_anything(
    tmp_path: Path, tool: str, options: tuple[str, ...], file: Path, spoil: str
) -> None:
    program = shutil.which(tool, path=str(Path(sys.executable).parent))
    assert program is not None, f"{tool} is not installed beside this Python"
    spoiled = tmp_path / file.name
    spoiled.write_text(file.read_text() + spoil)
    codes = [
        subprocess.run(
            [program, *options, str(each)], capture_output=True, check=False, timeout=60
        ).returncode
        for each in (file, spoiled)
    ]
    assert codes[0] == 0
    assert codes[1] != 0
