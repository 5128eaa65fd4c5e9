"""Prometheus' and Grafana's files against the metrics that there are, and against compose.yaml."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections import Counter
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path, PurePosixPath
from typing import Any

import httpx2 as httpx
import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from coffeeshop.actors.hosted import HostedNode
from coffeeshop.client.gateway import GatewayClient
from coffeeshop.client.remote import analyse
from coffeeshop.gateway.server import GatewayServer
from coffeeshop.generate import generate
from coffeeshop.names import STAGES
from coffeeshop.observability.metrics import render
from coffeeshop.pipeline.messages import SessionSpec
from coffeeshop.reading.folder import open_folder
from coffeeshop.service import broker_metrics, transport_status
from coffeeshop.transport.memory import MemoryTransport
from coffeeshop.transport.rabbitmq.transport import RabbitTransport
from tests.deploy.promql import named
from tests.deploy.stack import ROOT, arguments, load, nodes, services
from tests.running import PATIENCE, new_id

DEPLOY = ROOT / "deploy"
DASHBOARD = DEPLOY / "grafana" / "dashboards" / "coffeeshop.json"
ALERTS = DEPLOY / "prometheus" / "alerts.yml"
OF_TARGETS = {"job", "instance"}
"""Labels that Prometheus adds itself."""
OF_PROMETHEUS = {"up": set[str](), "ALERTS": {"alertstate", "alertname"}}


def rules() -> list[dict[str, Any]]:
    found = yaml.safe_load(ALERTS.read_text())
    return [rule for group in found["groups"] for rule in group["rules"]]


def dashboard() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(DASHBOARD.read_text())
    return found


def panels() -> list[dict[str, Any]]:
    return [panel for panel in dashboard()["panels"] if panel["type"] != "row"]


def expressions() -> dict[str, str]:
    """Every expression by where it is, with Grafana's variable as Grafana would put it."""
    found = {rule["alert"]: rule["expr"] for rule in rules()}
    for panel in panels():
        for target in panel["targets"]:
            place = f"{panel['id']} {panel['title']} {target['refId']}"
            found[place] = target["expr"].replace("$__rate_interval", "1m")
    return found


def labels_of(text: str) -> dict[str, set[str]]:
    """The labels of every series of an answer to a scrape."""
    found: dict[str, set[str]] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            found.setdefault(sample.name, set()).update(sample.labels)
    return found


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> dict[str, set[str]]:
    """What a gateway, a worker and a connection to a broker really export, after a session."""
    folder = tmp_path_factory.mktemp("data") / "small"
    generate(folder, transactions=200, seed=1)
    failures: list[str] = []
    transport, away = MemoryTransport(), RabbitTransport("amqp://a:b@127.0.0.1:1/")
    node = HostedNode(transport, STAGES, failures.append)
    server = GatewayServer(transport, "127.0.0.1", 0)
    server.start()
    client = GatewayClient(f"http://127.0.0.1:{server.port}")
    try:
        analyse(client, open_folder(folder), SessionSpec(new_id()))
        answer = httpx.get(f"{client.url}/metrics", timeout=PATIENCE, trust_env=False)
        worker = {**node.status(), **node.metrics(), "memory_limit_bytes": 1, "threads_limit": 1}
        broker = {**transport_status(away), **broker_metrics(away)}
        texts = [answer.text, *(render(each)[0].decode() for each in (worker, broker))]
    finally:
        client.close()
        server.close()
        node.close(10)
        transport.close()
        away.close()
    assert not failures
    found: dict[str, set[str]] = {}
    for text in texts:
        for name, labels in labels_of(text).items():
            found.setdefault(name, set()).update(labels)
    return found


@pytest.mark.parametrize("place", expressions())
def test_every_series_and_label_that_is_asked_for_is_exported(
    exported: dict[str, set[str]], place: str
) -> None:
    asked, there = named(expressions()[place]), {**exported, **OF_PROMETHEUS}
    assert asked.series
    assert asked.series - there.keys() == set()
    known = set().union(*(there[name] for name in asked.series)) | OF_TARGETS
    assert asked.labels - known == set()


def test_a_series_that_does_not_exist_would_be_noticed() -> None:
    asked = named('sum by (stage) (rate(coffeeshop_wrong_total{state="x"}[5m])) / on (le) up > 1e3')
    assert asked.series == {"coffeeshop_wrong_total", "up"}
    assert asked.labels == {"stage", "state", "le"}
    with pytest.raises(ValueError, match="unbalanced"):
        named("sum(rate(up[5m))")


def test_names_are_what_prometheus_expects(exported: dict[str, set[str]]) -> None:
    ours = {name for name in exported if name.startswith("coffeeshop_")}
    for name in ours:
        assert re.fullmatch(r"[a-z][a-z0-9_]*[a-z0-9]", name)
        assert not re.search(r"_(ms|mib|kb|mb|minutes|percent)(_total)?$", name)


def test_the_documentation_names_metrics_that_exist(exported: dict[str, set[str]]) -> None:
    text = (ROOT / "docs" / "operations.md").read_text()
    table = text.split("| what | metrics |")[1].split("\n\n")[0]
    told = re.findall(r"`([a-z_]+)`", table)
    assert len(told) > 25
    whole = exported.keys() | {name.removesuffix("_count") for name in exported}
    assert {f"coffeeshop_{name}" for name in told} - whole == set()


def promtool(*arguments: str | Path) -> None:
    program = shutil.which("promtool")
    if program is None:
        pytest.skip("promtool is not installed (Debian: apt install prometheus)")
    done = subprocess.run(
        [program, *map(str, arguments)], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_prometheus_takes_the_alerts() -> None:
    promtool("check", "rules", ALERTS)


def test_prometheus_takes_the_dashboards_expressions(tmp_path: Path) -> None:
    rules = [{"record": "a:b", "expr": text} for text in expressions().values()]
    for number, rule in enumerate(rules):
        rule["record"] = f"panel:{number}"
    file = tmp_path / "rules.yml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": rules}]}))
    promtool("check", "rules", file)


def test_prometheus_takes_its_configuration(tmp_path: Path) -> None:
    text = (DEPLOY / "prometheus" / "prometheus.yml").read_text()
    token, file = tmp_path / "token", tmp_path / "prometheus.yml"
    token.write_text("x")
    text = text.replace("/etc/prometheus/alerts.yml", str(ALERTS))
    file.write_text(text.replace("/run/secrets/admin_token", str(token)))
    promtool("check", "config", file)


def slug(heading: str) -> str:
    """The anchor that a heading has on the usual sites."""
    return re.sub(r"[^\w -]", "", heading.strip().lower()).replace(" ", "-")


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: rule["alert"])
def test_an_alert_says_how_bad_it_is_and_leads_to_what_to_do(rule: dict[str, Any]) -> None:
    assert rule["labels"]["severity"] in ("warning", "critical")
    assert rule["annotations"]["summary"]
    assert re.fullmatch(r"\d+m", rule["for"])
    file, _, anchor = rule["annotations"]["runbook_url"].partition("#")
    headings = re.findall(r"^#+ (.*)$", (ROOT / file).read_text(), re.M)
    assert anchor in {slug(heading) for heading in headings}


def test_alerts_have_names_of_their_own() -> None:
    assert max(Counter(rule["alert"] for rule in rules()).values()) == 1


def test_panels_have_ids_queries_and_a_data_source_that_can_be_chosen() -> None:
    whole = dashboard()
    assert whole["uid"] == "coffeeshop"
    assert "id" not in whole  # it would replace another one
    (variable,) = whole["templating"]["list"]
    assert (variable["name"], variable["type"]) == ("datasource", "datasource")
    source = {"type": variable["query"], "uid": "${datasource}"}
    ids = [panel["id"] for panel in whole["panels"]]
    assert len(set(ids)) == len(ids)
    for panel in panels():
        assert panel["datasource"] == source
        references = [target["refId"] for target in panel["targets"]]
        assert len(set(references)) == len(references) > 0
        assert all(target["datasource"] == source for target in panel["targets"])


def cells(panel: dict[str, Any]) -> set[tuple[int, int]]:
    at = panel["gridPos"]
    return {
        (x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])
    }


def test_no_panel_covers_another() -> None:
    for one, other in combinations(dashboard()["panels"], 2):
        assert not cells(one) & cells(other)
        assert max(x for x, _ in cells(one)) < 24


def jobs() -> dict[str, dict[str, Any]]:
    found = yaml.safe_load((DEPLOY / "prometheus" / "prometheus.yml").read_text())
    return {job["job_name"]: job for job in found["scrape_configs"]}


def scraped() -> Iterator[tuple[str, int]]:
    for job in jobs().values():
        for look_up in job.get("dns_sd_configs", ()):
            assert look_up["type"] == "A"
            for name in look_up["names"]:
                yield name, look_up["port"]


def test_every_node_is_scraped_where_it_has_its_metrics() -> None:
    ports = {}
    for name, service in nodes().items():
        line = arguments(service)
        ports[name] = int(line[line.index("--port" if name == "gateway" else "--metrics-port") + 1])
    assert dict(scraped()) == ports
    networks = set(services()["prometheus"]["networks"])
    assert all(networks & set(service["networks"]) for service in nodes().values())
    assert jobs()["rabbitmq"]["static_configs"] == [{"targets": ["rabbitmq:15692"]}]


def mounted(name: str) -> dict[str, Path]:
    """The files of a service's configs, by where the container has them."""
    configs = load()["configs"]
    return {
        each["target"]: ROOT / configs[each["source"]]["file"]
        for each in services()[name]["configs"]
    }


def secrets_of(service: str, volume: str) -> list[str]:
    """Where the service sees the files that `scripts/prepare.sh` puts on its volume."""
    targets = [
        mount.split(":")[1]
        for mount in services()[service]["volumes"]
        if mount.startswith(f"secrets_{volume}:")
    ]
    copied = re.findall(
        rf'copy "\$secrets/all/\w+" "\$secrets/{volume}/(\w+)"',
        (ROOT / "scripts" / "prepare.sh").read_text(),
    )
    return [f"{target}/{name}" for target in targets for name in copied]


def test_prometheus_has_its_files_and_an_admins_token() -> None:
    files = mounted("prometheus")
    assert f"--config.file={next(iter(files))}" in services()["prometheus"]["command"]
    whole = yaml.safe_load(files["/etc/prometheus/prometheus.yml"].read_text())
    assert files[whole["rule_files"][0]] == ALERTS
    token = PurePosixPath(jobs()["gateway"]["authorization"]["credentials_file"])
    assert str(token) in secrets_of("prometheus", "admin")
    assert [name for name, job in jobs().items() if "authorization" in job] == ["gateway"]


def test_grafana_finds_prometheus_its_password_and_the_dashboard() -> None:
    files, service = mounted("grafana"), services()["grafana"]
    assert all(file.is_file() for file in files.values())
    source = yaml.safe_load(
        files["/etc/grafana/provisioning/datasources/prometheus.yml"].read_text()
    )["datasources"][0]
    assert source["type"] == "prometheus"
    assert source["url"] == "http://prometheus:9090"
    assert set(service["networks"]) & set(services()["prometheus"]["networks"])
    provider = yaml.safe_load(
        files["/etc/grafana/provisioning/dashboards/coffeeshop.yml"].read_text()
    )["providers"][0]
    (shown,) = [target for target, file in files.items() if file == DASHBOARD]
    assert str(PurePosixPath(shown).parent) == provider["options"]["path"]
    ini = files["/etc/grafana/grafana.ini"].read_text()
    assert f"default_home_dashboard_path = {shown}\n" in ini
    (password,) = secrets_of("grafana", "grafana")
    assert f"admin_password = $__file{{{password}}}\n" in ini


@pytest.mark.parametrize("name", ["prometheus", "grafana"])
def test_monitoring_starts_when_it_is_asked_for_with_an_image_of_one_release(name: str) -> None:
    service = services()[name]
    assert service["profiles"] == ["monitoring"]
    assert re.fullmatch(r"[a-z/]+:v?\d+\.\d+\.\d+", service["image"])
