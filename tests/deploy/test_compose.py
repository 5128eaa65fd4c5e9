"""compose.yaml against the command line that it calls and against what it promises."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path, PurePosixPath
from typing import Any

import click
import pytest

from coffeeshop.cli import cli
from coffeeshop.metrics import MetricsServer
from coffeeshop.plan import PLANS
from coffeeshop.service import HARD_DEADLINE, stages_of
from coffeeshop.settings import Settings
from tests.deploy.stack import (
    BROKER,
    COMPOSE,
    DOCKERFILE,
    ROOT,
    Service,
    arguments,
    enabled,
    instruction,
    load,
    nodes,
    ours,
    seconds,
    services,
    settings_of,
    size,
    variables,
)

STAGED = tuple(stage.name for stage in PLANS["staged"].stages)


def parsed(command_line: list[str]) -> click.Context:
    """The command line as the real commands understand it, without running it."""
    assert command_line[0] == "coffeeshop"
    name, command, rest = cli.resolve_command(click.Context(cli), command_line[1:])
    assert command is not None
    return command.make_context(name, rest)


def served(stack: dict[str, Service]) -> set[str]:
    return {
        stage
        for service in stack.values()
        for stage in stages_of(parsed(arguments(service)).params["types"])
    }


@pytest.mark.parametrize("name", ours())
def test_every_command_is_a_call_that_the_command_line_takes(name: str) -> None:
    context = parsed(arguments(services()[name]))
    assert context.command.name == ("submit" if name == "client" else "run-node")


def test_a_command_that_the_command_line_does_not_know_is_noticed() -> None:
    with pytest.raises(click.NoSuchOption):
        parsed(["coffeeshop", "run-node", "--kind", "worker"])


@pytest.mark.parametrize("name", nodes())
def test_a_service_is_the_node_type_of_its_name(name: str) -> None:
    assert parsed(arguments(services()[name])).params["types"] == (name,)


@pytest.mark.parametrize("profile", [None, "staged"])
@pytest.mark.parametrize("plan", PLANS)
def test_every_stage_of_every_plan_is_served_in_every_profile(
    profile: str | None, plan: str
) -> None:
    stack = enabled(profile)
    assert "gateway" in stack
    assert served(stack) >= {stage.name for stage in PLANS[plan].stages}


def test_the_staged_profile_has_a_service_for_each_stage_and_needs_no_worker() -> None:
    stack = {name: service for name, service in enabled("staged").items() if name != "worker"}
    assert set(stack) == {"gateway", *STAGED}
    assert served(stack) == set(STAGED)


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


def test_the_gateway_listens_where_its_port_is_published() -> None:
    params = parsed(arguments(services()["gateway"])).params
    assert params["host"] == "0.0.0.0"
    assert services()["gateway"]["ports"] == [f"127.0.0.1:9000:{params['port']}"]


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


def health_check(name: str, port: int) -> subprocess.CompletedProcess[str]:
    """Run a node's health check here, with ``port`` in the place of its own."""
    service = services()[name]
    params = parsed(arguments(service)).params
    inside = params["port"] if name == "gateway" else params["metrics_port"]
    _, program, *rest = service["healthcheck"]["test"]
    assert program == "python"
    assert f"127.0.0.1:{inside}/" in rest[-1]
    rest[-1] = rest[-1].replace(f":{inside}/", f":{port}/")
    command = [sys.executable, *rest]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)


@pytest.mark.parametrize("name", ["gateway", "worker", "filter_year"])
def test_a_health_check_tells_a_node_that_answers_from_one_that_does_not(name: str) -> None:
    server = MetricsServer("127.0.0.1", 0, dict, lambda: False)
    try:
        found = health_check(name, server.port)
    finally:
        server.close()
    assert found.returncode == 0, found.stderr
    assert health_check(name, server.port).returncode != 0


def test_all_stages_have_the_health_check_of_the_first() -> None:
    stages = [service for name, service in nodes().items() if name != "gateway"]
    assert all(service["healthcheck"] == stages[0]["healthcheck"] for service in stages)
    assert all(parsed(arguments(s)).params["metrics_port"] == 9100 for s in stages)


@pytest.mark.parametrize("name", nodes())
def test_a_stop_leaves_time_for_the_whole_shutdown(name: str) -> None:
    service = services()[name]
    drain = parsed(arguments(service)).params["drain_timeout"]
    assert seconds(service["stop_grace_period"]) > drain + HARD_DEADLINE


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


def test_the_image_runs_the_command_line_as_a_user_without_rights() -> None:
    assert instruction("ENTRYPOINT") == ["coffeeshop"]
    assert {service["user"] for service in nodes().values()} == {instruction("USER")}
    assert parsed(["coffeeshop", "run-node", "--type", "all"]).params["types"] == ("all",)


def test_a_client_takes_the_arguments_that_are_appended() -> None:
    service = services()["client"]
    line = [*service["entrypoint"], "--data-folder", "dataset1", "--verbose"]
    params = parsed(line).params
    assert params["folder"] == "dataset1"
    assert params["verbosity"] == "verbose"


def test_a_client_finds_the_gateway_the_data_and_the_place_for_results() -> None:
    service = services()["client"]
    environment = {**service["environment"], "COFFEESHOP_TOKEN_FILE": ""}
    settings = Settings.read(environment)
    gateway = services()["gateway"]
    assert settings.gateway == f"http://gateway:{parsed(arguments(gateway)).params['port']}"
    data, results = service["volumes"]
    assert (data["source"], data["target"], data["read_only"]) == ("./.data", "/data", True)
    assert settings.data_root == Path(data["target"])
    # `submit` writes into results/<folder> of the directory it runs in.
    assert results["source"] == "./results"
    assert results["target"] == f"{service['working_dir']}/results"
    assert set(service["depends_on"]) == {"gateway", "worker"}


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


def test_the_broker_waits_for_an_assignment_as_long_as_a_session_may_last() -> None:
    configured = settings_of(ROOT / "deploy" / "rabbitmq.conf")
    session = parsed(arguments(services()["gateway"])).params["session_ttl"]
    assert int(configured["consumer_timeout"]) > 1000 * session
    assert int(configured["consumer_timeout"]) < 2**31


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
