"""compose.yaml against what it promises: who is confined, watched, secret and within limits."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path, PurePosixPath
from typing import Any

import pytest
import yaml

from coffeeshop.settings import Settings
from tests.deploy.stack import (
    BROKER,
    COMPOSE,
    DOCKERFILE,
    ROOT,
    built,
    load,
    nodes,
    services,
    settings_of,
    size,
    variables,
)

ONCE = ("prepare", "token", "client")
"""Services that end by themselves."""


def test_without_a_profile_there_are_a_broker_a_gateway_and_a_worker() -> None:
    plain = {name for name, service in services().items() if not service.get("profiles")}
    assert plain == {"prepare", BROKER, "gateway", "worker"}


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
    # What runs once before all others has rights over files, and nobody to talk to.
    rights = {"user", "cap_add", "network_mode"} if name == "prepare" else set()
    assert (int(user) > 0 and int(group) > 0) or "user" in rights
    assert set(service.get("cap_add", ())) <= {"CHOWN", "DAC_OVERRIDE", "FOWNER"}
    assert service.get("network_mode", "none") == "none"
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["init"] is True
    assert "/tmp" in service["tmpfs"]
    assert not {"privileged", "pid"} & service.keys()
    assert ("cap_add" in service) is ("cap_add" in rights)
    assert {"memory", "pids"} <= service["deploy"]["resources"]["limits"].keys()


@pytest.mark.parametrize("name", services())
def test_what_serves_is_watched_and_started_again(name: str) -> None:
    service = services()[name]
    if name in ONCE:
        assert not {"restart", "healthcheck"} & service.keys()
        return
    assert service["restart"] == "unless-stopped"
    assert {"test", "interval", "timeout", "retries", "start_period"} == set(service["healthcheck"])
    assert service["healthcheck"]["test"][0] == "CMD"


def test_nodes_may_be_multiplied() -> None:
    for name, service in nodes().items():
        assert not {"container_name", "hostname"} & service.keys()
        assert name == "gateway" or "ports" not in service


def test_secrets_are_never_committed_and_on_volumes_that_one_service_writes() -> None:
    ignored = (ROOT / ".gitignore").read_text().splitlines()
    assert "/deploy/secrets/" in ignored
    assert "secrets" not in load()
    for name, service in services().items():
        mounts = [str(each) for each in service.get("volumes", ()) if "secrets" in str(each)]
        assert all(each.endswith(":ro") for each in mounts) or name == "prepare", mounts
        assert (name == "prepare") is any(each.startswith("secrets:") for each in mounts)


def test_everything_waits_until_its_secrets_are_there() -> None:
    done = {"condition": "service_completed_successfully"}
    for name, service in services().items():
        if name != "prepare":
            assert service["depends_on"]["prepare"] == done, name


def test_the_image_of_the_broker_is_of_one_version() -> None:
    name, _, version = services()[BROKER]["image"].partition(":")
    assert name == "rabbitmq"
    assert re.fullmatch(r"4\.\d+\.\d+-management", version)
    tagged = [s["image"] for s in services().values() if "build" not in s]
    assert all(re.search(r":v?\d+\.\d+\.\d+", image) for image in tagged), tagged


def test_who_needs_no_labels_changes_nothing_else() -> None:
    override = yaml.safe_load((ROOT / "deploy" / "compose.selinux.yaml").read_text())
    binds = {
        name
        for name, service in services().items()
        if any(isinstance(v, dict) and v["type"] == "bind" for v in service.get("volumes", ()))
        or service.get("configs")
    }
    assert set(override["services"]) == binds
    for service in override["services"].values():
        assert service == {"security_opt": ["no-new-privileges:true", "label=disable"]}


def test_no_password_is_in_an_environment_or_a_command() -> None:
    text = COMPOSE.read_text() + DOCKERFILE.read_text()
    for word in ("guest", "PASS", "COFFEESHOP_BROKER_URL:", "amqp://"):
        assert word not in text


@pytest.mark.parametrize("name", nodes())
def test_nodes_read_the_broker_from_their_secret(name: str, tmp_path: Path) -> None:
    service = services()[name]
    secret = PurePosixPath(service["environment"]["COFFEESHOP_BROKER_URL_FILE"])
    assert secret == PurePosixPath("/run/secrets/broker_url")
    assert "secrets_broker:/run/secrets:ro" in service["volumes"]
    (tmp_path / "url").write_text("amqp://a:b@rabbitmq:5672/\n")
    environment = {**service["environment"], "COFFEESHOP_BROKER_URL_FILE": str(tmp_path / "url")}
    assert Settings.read(environment).broker == "amqp://a:b@rabbitmq:5672/"


def test_the_gateway_knows_who_may_use_it_and_the_client_shows_its_token() -> None:
    gateway, client = services()["gateway"], services()["client"]
    tokens = PurePosixPath(gateway["environment"]["COFFEESHOP_TOKENS_FILE"])
    assert tokens == PurePosixPath("/run/tokens/gateway_tokens")
    assert "secrets_gateway:/run/tokens:ro" in gateway["volumes"]
    assert client["environment"]["COFFEESHOP_TOKEN_FILE"] == "/run/secrets/client_token"
    assert "secrets_client:/run/secrets:ro" in client["volumes"]
    assert "--insecure" not in COMPOSE.read_text()


def test_all_of_ours_run_the_image_that_is_built_here() -> None:
    assert {service["image"] for service in built().values()} == {"coffeeshop:local"}
    assert {service["build"] for service in built().values()} == {"."}


def test_a_client_cannot_reach_the_broker() -> None:
    client, broker = services()["client"], services()[BROKER]
    assert not set(client["networks"]) & set(broker["networks"])
    assert "secrets_broker" not in str(client["volumes"])
    assert set(services()["gateway"]["networks"]) == {*client["networks"], *broker["networks"]}


def test_fragments_and_references_are_resolved() -> None:
    whole = load()
    assert "<<" not in str(whole)
    for service in whole["services"].values():
        assert set(service.get("depends_on", ())) <= set(whole["services"])
        assert set(service.get("networks", ())) <= set(whole["networks"])
        assert ("networks" in service) is not ("network_mode" in service)
        for volume in service.get("volumes", ()):
            if isinstance(volume, str):
                assert volume.partition(":")[0] in whole["volumes"]
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
