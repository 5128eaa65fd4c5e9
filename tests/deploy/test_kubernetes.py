"""deploy/kubernetes: valid for every Kubernetes it is for, confined, and whole."""

from __future__ import annotations

import copy
from typing import Any

import jsonschema
import kubernetes_validate
import pytest
import yaml

from coffeeshop.testing.broker import PrivateBroker
from tests.deploy.kubernetes import (
    KUBERNETES,
    OURS,
    OVERLAYS,
    Resource,
    container_of,
    mounted,
    named,
    of_kind,
    pod_of,
    resources,
    workloads,
)
from tests.deploy.stack import ROOT, settings_of, size

SCHEMAS = {
    file.stem: yaml.safe_load(file.read_text())
    for file in (ROOT / "tests" / "deploy" / "kubernetes_schemas").iterdir()
}
RELEASES = ("1.30", "1.37")
"""The oldest and the newest Kubernetes that the manifests are for: docs/kubernetes.md says so."""
ALLOWED_VOLUMES = {"configMap", "emptyDir", "persistentVolumeClaim", "projected", "secret"}
LEFT_TO_THE_OPERATOR = {"listeners.tcp.default", "log.console", "log.file"}
LARGER = {"vm_memory_high_watermark.absolute", "disk_free_limit.absolute"}


def validate(resource: Resource, release: str = RELEASES[-1]) -> None:
    """Raises for a field that is unknown, missing or of another type."""
    if resource["kind"] in SCHEMAS:
        jsonschema.validate(resource, SCHEMAS[resource["kind"]])
    else:
        kubernetes_validate.validate(resource, release, strict=True)


@pytest.mark.parametrize("release", RELEASES)
@pytest.mark.parametrize("overlay", OVERLAYS)
def test_every_resource_of_an_overlay_is_valid(overlay: str, release: str) -> None:
    for resource in resources(overlay):
        validate(resource, release)


def test_what_the_schemas_leave_to_kubernetes_is_valid_there() -> None:
    cluster = named("production", "RabbitmqCluster")["spec"]
    pod = {
        **cluster["override"]["statefulSet"]["spec"]["template"]["spec"],
        "affinity": cluster["affinity"],
        "containers": [{"name": "rabbitmq", "resources": cluster["resources"]}],
    }
    validate({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "broker"}, "spec": pod})
    advanced = named("production", "ScaledObject")["spec"]["advanced"]
    scaler = copy.deepcopy(named("production", "HorizontalPodAutoscaler"))
    scaler["spec"] |= advanced["horizontalPodAutoscalerConfig"]
    validate(scaler)


@pytest.mark.parametrize("kind", ["Deployment", "RabbitmqCluster", "ScaledObject"])
def test_a_field_with_a_slip_of_the_pen_is_noticed(kind: str) -> None:
    resource = copy.deepcopy(next(r for r in resources("production") if r["kind"] == kind))
    validate(resource)
    resource["spec"]["replicaz"] = 3
    with pytest.raises((jsonschema.ValidationError, kubernetes_validate.ValidationError)):
        validate(resource)


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_everything_is_in_a_namespace_that_refuses_pods_with_more_rights(overlay: str) -> None:
    namespace = named(overlay, "Namespace")
    assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
    for resource in resources(overlay):
        if resource is not namespace and resource["kind"] != "Namespace":
            assert resource["metadata"]["namespace"] == namespace["metadata"]["name"]


def breaches(pod: Resource) -> list[str]:
    """What the standard `restricted` would refuse, and what we refuse beyond it."""
    own = pod["securityContext"]
    (container,) = pod["containers"]
    inner = container["securityContext"]
    rules = {
        "runs as root": own["runAsNonRoot"] is not True or own["runAsUser"] == 0,
        "any system call": own["seccompProfile"]["type"] != "RuntimeDefault",
        "may gain rights": inner["allowPrivilegeEscalation"] is not False,
        "capabilities": inner["capabilities"] != {"drop": ["ALL"]},
        "writes into its image": inner["readOnlyRootFilesystem"] is not True,
        "the machine's": bool({"hostNetwork", "hostPID", "hostIPC"} & pod.keys()),
        "the API server's token": pod["automountServiceAccountToken"] is not False,
        "volumes": any(not set(v) - {"name"} <= ALLOWED_VOLUMES for v in pod["volumes"]),
        "no limit of memory": "memory" not in container["resources"].get("limits", {}),
        "no requests": not {"cpu", "memory"} <= container["resources"]["requests"].keys(),
    }
    return [rule for rule, broken in rules.items() if broken]


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_every_pod_is_restricted(overlay: str) -> None:
    for workload in workloads(overlay).values():
        assert breaches(pod_of(workload)) == []


def test_a_pod_with_more_rights_is_noticed() -> None:
    pod = copy.deepcopy(pod_of(workloads("small")["worker"]))
    pod["securityContext"]["runAsUser"] = 0
    pod["containers"][0]["securityContext"]["capabilities"] = {"add": ["NET_ADMIN"]}
    pod["volumes"].append({"name": "all", "hostPath": {"path": "/"}})
    assert breaches(pod) == ["runs as root", "capabilities", "volumes"]


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_every_secret_and_config_map_that_is_named_is_there_with_its_keys(overlay: str) -> None:
    there = of_kind(overlay, "Secret") | of_kind(overlay, "ConfigMap")
    for workload in workloads(overlay).values():
        for name, key in mounted(workload).values():
            assert key == "*" or key in there[name]["data"], (name, key)
        account = pod_of(workload)["serviceAccountName"]
        assert account in of_kind(overlay, "ServiceAccount")
    if overlay == "production":
        broker = named(overlay, "RabbitmqCluster")["spec"]["secretBackend"]["externalSecret"]
        assert {"default_user.conf", "username", "password"} == there[broker["name"]]["data"].keys()
        for each in named(overlay, "TriggerAuthentication")["spec"]["secretTargetRef"]:
            assert each["key"] in there[each["name"]]["data"]


def test_secrets_are_files_that_are_never_committed() -> None:
    ignored = (ROOT / ".gitignore").read_text().splitlines()
    assert "/deploy/kubernetes/secrets/files/" in ignored
    text = "".join(file.read_text() for file in KUBERNETES.rglob("*.yaml"))
    for word in ("guest:", "amqp://", "default_pass", "stringData"):
        assert word not in text


def test_no_image_is_whichever_is_the_latest() -> None:
    images = [container_of(w)["image"] for o in OVERLAYS for w in workloads(o).values()]
    images.append(named("production", "RabbitmqCluster")["spec"]["image"])
    for image in images:
        assert image.rpartition(":")[2] not in ("", image, "latest"), image


def test_the_one_broker_is_configured_as_the_one_of_compose() -> None:
    configured = KUBERNETES / "overlays" / "small" / "rabbitmq.conf"
    same = configured.read_text() == (ROOT / "deploy" / "rabbitmq.conf").read_text()
    assert same, "copy deploy/rabbitmq.conf there: kustomize reads no file outside of its folder"


def cluster_settings() -> dict[str, str]:
    text = named("production", "RabbitmqCluster")["spec"]["rabbitmq"]["additionalConfig"]
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return dict(line.split(" = ", 1) for line in lines)


def test_the_cluster_is_configured_as_the_one_broker_but_for_what_a_cluster_needs() -> None:
    one, cluster = settings_of(ROOT / "deploy" / "rabbitmq.conf"), cluster_settings()
    same = one.keys() - LEFT_TO_THE_OPERATOR - LARGER
    assert {key: cluster[key] for key in same} == {key: one[key] for key in same}
    assert cluster.keys() <= one.keys()
    assert cluster["cluster_partition_handling"] == "pause_minority"
    assert cluster["queue_leader_locator"] == "balanced"


def memory_limit(resources: Resource) -> int:
    return size(resources["limits"]["memory"].removesuffix("i"))


def test_brokers_block_publishers_before_they_meet_their_limits() -> None:
    small = memory_limit(container_of(workloads("small")["rabbitmq"])["resources"])
    configured = settings_of(KUBERNETES / "overlays" / "small" / "rabbitmq.conf")
    assert size(configured["vm_memory_high_watermark.absolute"]) <= 0.7 * small
    each = memory_limit(named("production", "RabbitmqCluster")["spec"]["resources"])
    assert size(cluster_settings()["vm_memory_high_watermark.absolute"]) <= 0.7 * each


@pytest.mark.usefixtures("broker")  # skips or fails where there is no RabbitMQ
def test_a_broker_starts_with_the_configuration_of_the_cluster() -> None:
    lines = "\n".join(f"{key} = {value}" for key, value in cluster_settings().items())
    with PrivateBroker(config=lines) as broker:
        keys = "cluster_partition_handling, queue_leader_locator, consumer_timeout"
        program = f"[element(2, application:get_env(rabbit, K)) || K <- [{keys}]]."
        understood = "".join(broker.rabbitmqctl("eval", program).split())
        assert understood == '[pause_minority,<<"balanced">>,90000000]'


def matching(selector: dict[str, Any], overlay: str) -> list[str]:
    """The workloads whose pods a selector takes; the operator labels its own with their name."""
    labels = {
        name: each["spec"]["template"]["metadata"]["labels"]
        for name, each in workloads(overlay).items()
    }
    labels |= {
        name: {"app.kubernetes.io/name": name} for name in of_kind(overlay, "RabbitmqCluster")
    }
    wanted = selector["matchLabels"].items()
    return [name for name, has in labels.items() if wanted <= has.items()]


def test_a_disruption_budget_leaves_most_of_everything_and_never_blocks_for_ever() -> None:
    budgets = of_kind("production", "PodDisruptionBudget")
    assert budgets.keys() == {*OURS, "rabbitmq"}
    for name, budget in budgets.items():
        assert matching(budget["spec"]["selector"], "production") == [name]
        assert budget["spec"]["maxUnavailable"] in (1, "34%")
    assert budgets["rabbitmq"]["spec"]["maxUnavailable"] == 1
    assert named("production", "RabbitmqCluster")["spec"]["replicas"] == 3


def test_no_two_broker_nodes_share_a_machine_and_zones_have_equally_many() -> None:
    spec = named("production", "RabbitmqCluster")["spec"]
    (term,) = spec["affinity"]["podAntiAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
    pod = spec["override"]["statefulSet"]["spec"]["template"]["spec"]
    (spread,) = pod["topologySpreadConstraints"]
    assert term["topologyKey"] == "kubernetes.io/hostname"
    assert spread["topologyKey"] == "topology.kubernetes.io/zone"
    assert (spread["maxSkew"], spread["whenUnsatisfiable"]) == (1, "DoNotSchedule")
    for each in (term, spread):
        assert matching(each["labelSelector"], "production") == ["rabbitmq"]


@pytest.mark.parametrize("name", OURS)
def test_gateways_and_workers_spread_over_machines_and_zones_where_they_can(name: str) -> None:
    constraints = pod_of(workloads("production")[name])["topologySpreadConstraints"]
    assert {each["topologyKey"] for each in constraints} == {
        "kubernetes.io/hostname",
        "topology.kubernetes.io/zone",
    }
    for each in constraints:
        assert each["whenUnsatisfiable"] == "ScheduleAnyway"
        assert matching(each["labelSelector"], "production") == [name]


def test_what_is_scaled_has_no_number_of_its_own() -> None:
    scaler = named("production", "HorizontalPodAutoscaler")["spec"]
    scaled = named("production", "ScaledObject")["spec"]
    targets = {scaler["scaleTargetRef"]["name"], scaled["scaleTargetRef"]["name"]}
    assert targets == {*OURS}
    for name in targets:
        assert "replicas" not in workloads("production")[name]["spec"]
    assert scaler["minReplicas"] >= 2
    assert 2 <= scaled["minReplicaCount"] <= scaled["fallback"]["replicas"]
    assert scaled["fallback"]["replicas"] <= scaled["maxReplicaCount"]
