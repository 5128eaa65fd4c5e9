"""compose.yaml against the command line that it calls."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import click
import pytest

from coffeeshop.observability.metrics import MetricsServer
from coffeeshop.pipeline.plan import PLANS
from coffeeshop.service import HARD_DEADLINE, stages_of
from coffeeshop.settings import Settings
from tests.deploy.stack import (
    ROOT,
    Service,
    arguments,
    enabled,
    instruction,
    nodes,
    ours,
    parsed,
    seconds,
    services,
    settings_of,
)

STAGED = tuple(stage.name for stage in PLANS["staged"].stages)


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


def test_the_gateway_listens_where_its_port_is_published() -> None:
    params = parsed(arguments(services()["gateway"])).params
    assert params["host"] == "0.0.0.0"
    assert services()["gateway"]["ports"] == [f"127.0.0.1:9000:{params['port']}"]


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
    data, results, _ = service["volumes"]
    assert (data["source"], data["target"], data["read_only"]) == ("./.data", "/data", True)
    assert settings.data_root == Path(data["target"])
    # `submit` writes into results/<folder> of the directory it runs in.
    assert results["source"] == "./results"
    assert results["target"] == f"{service['working_dir']}/results"
    assert set(service["depends_on"]) == {"prepare", "gateway", "worker"}


def test_the_broker_waits_for_an_assignment_as_long_as_a_session_may_last() -> None:
    configured = settings_of(ROOT / "deploy" / "rabbitmq.conf")
    session = parsed(arguments(services()["gateway"])).params["session_ttl"]
    assert int(configured["consumer_timeout"]) > 1000 * session
    assert int(configured["consumer_timeout"]) < 2**31
