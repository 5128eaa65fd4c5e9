"""Who may talk to whom in deploy/kubernetes: its policies, evaluated as Kubernetes does."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.deploy.kubernetes import OVERLAYS, named, of_kind, ports, workloads

HERE = "kubernetes.io/metadata.name"


@dataclass(frozen=True)
class Pod:
    """A pod as policies see it. ``namespace``: the labels of its namespace."""

    name: str
    namespace: tuple[tuple[str, str], ...]
    ports: dict[str, int] = field(default_factory=dict, hash=False)

    @property
    def labels(self) -> dict[str, str]:
        return {"app.kubernetes.io/name": self.name}


OURS = ((HERE, "coffeeshop"),)


def elsewhere(name: str, **labels: str) -> Pod:
    """A pod of another namespace."""
    more = tuple((f"coffeeshop/{key}", value) for key, value in labels.items())
    return Pod(name, ((HERE, name), *more))


def inside(overlay: str) -> dict[str, Pod]:
    """The pods of an overlay, one that submits and one that nobody planned."""
    found = {name: Pod(name, OURS, ports(w)) for name, w in workloads(overlay).items()}
    for name in of_kind(overlay, "RabbitmqCluster"):
        found[name] = Pod(name, OURS)
    return {**found, "client": Pod("client", OURS), "stranger": Pod("stranger", OURS)}


def takes(selector: dict[str, Any], labels: dict[str, str]) -> bool:
    assert selector.keys() <= {"matchLabels"}
    return selector.get("matchLabels", {}).items() <= labels.items()


def is_peer(peer: dict[str, Any], pod: Pod) -> bool:
    assert peer.keys() <= {"podSelector", "namespaceSelector"}
    near = (
        takes(peer["namespaceSelector"], dict(pod.namespace))
        if "namespaceSelector" in peer
        else pod.namespace == OURS
    )
    return near and takes(peer.get("podSelector", {}), pod.labels)


def has_port(rule: dict[str, Any], target: Pod, port: int) -> bool:
    for each in rule["ports"]:  # a rule without ports would be all of them
        first = (
            target.ports.get(each["port"], -1) if isinstance(each["port"], str) else each["port"]
        )
        if first <= port <= each.get("endPort", first):
            return True
    return False


def permits(overlay: str, way: str, of: Pod, peer: Pod, target: Pod, port: int) -> bool:
    """Whether the policies of ``of`` let it talk that way with ``peer``."""
    if of.namespace != OURS:
        return True  # of other namespaces nothing is known here
    rules = [
        rule
        for policy in of_kind(overlay, "NetworkPolicy").values()
        if way in policy["spec"]["policyTypes"] and takes(policy["spec"]["podSelector"], of.labels)
        for rule in policy["spec"].get(way.lower(), ())
    ]
    key = {"Ingress": "from", "Egress": "to"}[way]
    return any(
        has_port(rule, target, port) and any(is_peer(each, peer) for each in rule[key])
        for rule in rules
    )


def may(overlay: str, source: Pod, target: Pod, port: int) -> bool:
    """Whether a connection comes about: both ends have to permit it."""
    return permits(overlay, "Egress", source, target, target, port) and permits(
        overlay, "Ingress", target, source, target, port
    )


INGRESS = elsewhere("ingress-nginx", clients="true")
PROMETHEUS = elsewhere("monitoring", monitoring="true")
OTHER = elsewhere("other")
DNS = elsewhere("kube-system")
NEEDED = {
    ("gateway", "rabbitmq", 5672),
    ("worker", "rabbitmq", 5672),
    ("client", "gateway", 9000),
}
BETWEEN_BROKERS = (4369, 25672, 6000, 6500, 35672)


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_pods_reach_what_they_need_and_nothing_else(overlay: str) -> None:
    pods = inside(overlay)
    everything = (5672, 9000, 9100, 15672, 15692, 22, 443, *BETWEEN_BROKERS)
    reached = {
        (source, target, port)
        for source in pods
        for target in pods
        for port in everything
        if may(overlay, pods[source], pods[target], port)
    }
    between = {("rabbitmq", "rabbitmq", port) for port in BETWEEN_BROKERS}
    assert reached == NEEDED | (between if overlay == "production" else set())


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_nobody_reaches_the_outside_but_to_ask_for_names(overlay: str) -> None:
    for pod in inside(overlay).values():
        assert may(overlay, pod, DNS, 53)
        assert not may(overlay, pod, DNS, 443)
        assert not any(may(overlay, pod, OTHER, port) for port in (53, 80, 443, 5672, 6443))


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_other_namespaces_are_let_in_by_their_labels_only(overlay: str) -> None:
    pods = inside(overlay)
    assert may(overlay, INGRESS, pods["gateway"], 9000)
    assert not may(overlay, INGRESS, pods["gateway"], 9100)
    assert not may(overlay, INGRESS, pods["rabbitmq"], 5672)
    assert may(overlay, PROMETHEUS, pods["gateway"], 9000)
    assert may(overlay, PROMETHEUS, pods["worker"], 9100)
    assert may(overlay, PROMETHEUS, pods["rabbitmq"], 15692)
    assert not may(overlay, PROMETHEUS, pods["rabbitmq"], 5672)
    for target in pods.values():
        assert not any(may(overlay, OTHER, target, port) for port in (5672, 9000, 9100, 15672))


def test_the_autoscaler_and_the_operator_reach_the_brokers_management() -> None:
    broker = inside("production")["rabbitmq"]
    for name in ("keda", "rabbitmq-system"):
        assert may("production", elsewhere(name), broker, 15672)
        assert not may("production", elsewhere(name), broker, 5672)
    assert not may("small", elsewhere("keda"), inside("small")["rabbitmq"], 15672)


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_the_policies_are_of_the_namespace_that_they_are_checked_for(overlay: str) -> None:
    assert named(overlay, "Namespace")["metadata"]["name"] == "coffeeshop"
    everybody = of_kind(overlay, "NetworkPolicy")["default-deny"]["spec"]
    assert everybody == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
