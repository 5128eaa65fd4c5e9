"""deploy/kubernetes against the command line, the settings and the servers that it relies on."""

from __future__ import annotations

import stat
import subprocess
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import click
import pytest

from coffeeshop.actors.intake import STEP
from coffeeshop.gateway.security.tokens import Client, Tokens
from coffeeshop.gateway.server import GatewayServer
from coffeeshop.names import STAGES
from coffeeshop.observability.metrics import MetricsServer
from coffeeshop.pipeline.messages import assign_queue
from coffeeshop.service import HARD_DEADLINE, stages_of
from coffeeshop.settings import Settings
from coffeeshop.transport.memory import MemoryTransport
from coffeeshop.transport.rabbitmq.url import Address
from tests.deploy import stack
from tests.deploy.kubernetes import (
    OURS,
    OVERLAYS,
    Resource,
    container_of,
    environment,
    make_secrets,
    mounted,
    named,
    of_kind,
    pod_of,
    ports,
    probes,
    workloads,
)

SECRETS = Path("deploy", "kubernetes", "secrets", "files")
EVERYWHERE = [(overlay, name) for overlay in OVERLAYS for name in OURS]


def parsed(workload: Resource) -> click.Context:
    """A container's arguments as the real command line understands them."""
    container = container_of(workload)
    assert "command" not in container  # the image's entry point
    return stack.parsed([*stack.instruction("ENTRYPOINT"), *container["args"]])


@pytest.mark.parametrize(("overlay", "name"), EVERYWHERE)
def test_every_command_is_a_call_that_the_command_line_takes(overlay: str, name: str) -> None:
    context = parsed(workloads(overlay)[name])
    assert context.command.name == "run-node"
    assert context.params["types"] == (name,)


def test_workers_serve_every_stage() -> None:
    assert stages_of(parsed(workloads("small")["worker"]).params["types"]) == STAGES


def test_a_flag_that_the_command_line_does_not_know_is_noticed() -> None:
    worker = {**container_of(workloads("small")["worker"])}
    worker["args"] = [*worker["args"], "--drain-time=5"]
    with pytest.raises(click.NoSuchOption):
        parsed({"spec": {"template": {"spec": {"containers": [worker]}}}})


class Recording(dict[str, str]):
    """An environment that knows which of its variables were read."""

    def __init__(self, values: Mapping[str, str]) -> None:
        super().__init__(values)
        self.read: set[str] = set()

    def get(self, key: str, default: Any = None) -> Any:
        self.read.add(key)
        return super().get(key, default)


@pytest.mark.parametrize(("overlay", "name"), EVERYWHERE)
def test_every_variable_is_one_that_the_settings_read(
    overlay: str, name: str, tmp_path: Path
) -> None:
    workload = workloads(overlay)[name]
    files = {k: v for k, v in environment(workload).items() if v.startswith("/")}
    make_secrets(tmp_path)
    secrets = tmp_path / SECRETS
    there = mounted(workload)
    found = {}
    for variable, path in files.items():
        at = Path(path)
        secret, key = there.get(path) or there[str(at.parent)]
        assert secret in of_kind(overlay, "Secret")
        found[variable] = str(secrets / (at.name if key == "*" else key))
    recording = Recording({**environment(workload), **found})
    settings = Settings.read(recording)
    assert environment(workload).keys() <= recording.read
    assert settings.log_json
    assert Address.parse(settings.broker).user == "coffeeshop"
    if name == "gateway":
        assert settings.tokens_file is not None
        secret = (tmp_path / "deploy" / "secrets" / "admin_token").read_text().strip()
        assert Tokens(settings.tokens_file).client_of(secret) == Client("admin", admin=True)


def test_only_their_owner_can_read_the_files_that_secrets_are_made_of(tmp_path: Path) -> None:
    make_secrets(tmp_path)
    secrets = tmp_path / SECRETS
    assert stat.S_IMODE(secrets.stat().st_mode) == 0o700
    files = list(secrets.iterdir())
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}
    before = {file: file.read_text() for file in files}
    script = str(tmp_path / "scripts" / "kubernetes_secrets.sh")
    subprocess.run(["sh", script], check=True, timeout=30, capture_output=True)
    assert {file: file.read_text() for file in files} == before


def hosts_in(url: Path) -> list[str]:
    """The hosts of the URL in a file."""
    return url.read_text().partition("@")[2].partition("/")[0].split(",")


def test_what_the_secrets_say_of_the_broker_is_where_it_is(tmp_path: Path) -> None:
    make_secrets(tmp_path)
    secrets = tmp_path / SECRETS
    one = Address.parse((secrets / "broker_url").read_text().strip())
    assert hosts_in(secrets / "broker_url") == ["rabbitmq:5672"]
    assert "rabbitmq" in of_kind("small", "Service")
    cluster = named("production", "RabbitmqCluster")
    name, replicas = cluster["metadata"]["name"], cluster["spec"]["replicas"]
    # The operator's names: pod, then the service that has an address for each pod.
    assert hosts_in(secrets / "cluster_url") == [
        f"{name}-server-{n}.{name}-nodes" for n in range(replicas)
    ]
    user = stack.settings_of(secrets / "default_user.conf")
    assert (secrets / "username").read_text() == user["default_user"] == one.user
    assert (secrets / "password").read_text() == user["default_pass"] == one.password
    (source,) = (
        volume["secret"]["items"]
        for volume in pod_of(workloads("production")["worker"])["volumes"]
        if volume["name"] == "broker"
    )
    assert source == [{"key": "cluster_url", "path": "broker_url"}]


@pytest.mark.parametrize(("overlay", "name"), EVERYWHERE)
def test_a_container_listens_on_the_ports_that_it_names(overlay: str, name: str) -> None:
    workload = workloads(overlay)[name]
    params = parsed(workload).params
    expected = {"metrics": params["metrics_port"]}
    assert params["metrics_host"] == "0.0.0.0"
    if name == "gateway":
        expected["http"] = params["port"]
        assert params["host"] == "0.0.0.0"
    assert ports(workload) == expected
    for _, probe in probes(workload):
        assert probe["httpGet"]["port"] in expected


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_every_service_leads_to_ports_of_the_pods_that_it_selects(overlay: str) -> None:
    for name, service in of_kind(overlay, "Service").items():
        workload = workloads(overlay)[name]
        labels = workload["spec"]["template"]["metadata"]["labels"]
        assert service["spec"]["selector"].items() <= labels.items()
        for port in service["spec"]["ports"]:
            assert ports(workload)[port["targetPort"]] == port["port"]


@pytest.fixture(scope="module")
def served() -> Iterator[dict[str, int]]:
    """The ports of a gateway's servers, by their names in the manifests."""
    with ExitStack() as stack_:
        transport = MemoryTransport()
        stack_.callback(transport.close)
        metrics = MetricsServer("127.0.0.1", 0, dict, lambda: True)
        stack_.callback(metrics.close)
        gateway = GatewayServer(transport, "127.0.0.1", 0)
        stack_.callback(gateway.close)
        gateway.start()
        yield {"http": gateway.port, "metrics": metrics.port}


@pytest.mark.parametrize("name", OURS)
def test_every_probe_asks_for_something_that_is_served(name: str, served: dict[str, int]) -> None:
    for kind, probe in probes(workloads("small")[name]):
        path, port = probe["httpGet"]["path"], served[probe["httpGet"]["port"]]
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as answer:
            assert answer.status == 200
        # Whether the broker answers must start no process again: that mends nothing.
        assert path == ("/readyz" if kind == "readinessProbe" else "/healthz")


@pytest.mark.parametrize(("overlay", "name"), EVERYWHERE)
def test_a_stop_leaves_time_for_the_whole_shutdown(overlay: str, name: str) -> None:
    workload = workloads(overlay)[name]
    pause = container_of(workload).get("lifecycle", {}).get("preStop", {}).get("sleep", {})
    drain = parsed(workload).params["drain_timeout"]
    needed = pause.get("seconds", 0) + drain + HARD_DEADLINE
    assert pod_of(workload)["terminationGracePeriodSeconds"] >= needed
    assert name == "worker" or pause["seconds"] > 0


@pytest.mark.parametrize(("overlay", "name"), EVERYWHERE)
def test_a_start_may_take_as_long_as_a_gateway_reads_and_is_not_cut_short(
    overlay: str, name: str
) -> None:
    by_kind = dict(probes(workloads(overlay)[name]))
    startup = by_kind["startupProbe"]
    assert startup["periodSeconds"] * startup["failureThreshold"] >= 60
    live = by_kind["livenessProbe"]
    assert live["periodSeconds"] * live["failureThreshold"] >= 60


def test_workers_are_scaled_by_the_backlog_of_every_stage() -> None:
    triggers = named("production", "ScaledObject")["spec"]["triggers"]
    queues = [trigger["metadata"]["queueName"] for trigger in triggers]
    assert sorted(queues) == sorted(assign_queue(stage) for stage in STAGES)
    assert all(
        queue == f"ctl.assign.{t['name']}" for queue, t in zip(queues, triggers, strict=True)
    )
    namespace = named("production", "Namespace")["metadata"]["name"]
    broker = named("production", "RabbitmqCluster")["metadata"]["name"]
    authentication = named("production", "TriggerAuthentication")["metadata"]["name"]
    for trigger in triggers:
        assert trigger["metadata"]["host"] == f"http://{broker}.{namespace}.svc:15672/"
        assert trigger["authenticationRef"]["name"] == authentication
        assert int(trigger["metadata"]["value"]) == STEP  # as many as a busy worker takes


def test_the_brokers_user_may_look_at_queues_but_not_change_users() -> None:
    text = named("production", "RabbitmqCluster")["spec"]["rabbitmq"]["additionalConfig"]
    assert "default_user_tags.monitoring = true\n" in text
    assert "default_user_tags.administrator = false\n" in text


def test_a_broker_is_asked_for_its_health_by_a_program_of_its_own() -> None:
    probe = container_of(workloads("small")["rabbitmq"])["livenessProbe"]
    compose = stack.services()[stack.BROKER]["healthcheck"]["test"]
    assert probe["exec"]["command"][0] == compose[1] == "rabbitmq-diagnostics"
