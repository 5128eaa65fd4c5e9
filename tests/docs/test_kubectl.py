"""The stand-in for kubectl lets through what is right, and nothing else."""

from __future__ import annotations

import pytest

from tests.deploy.stack import ROOT
from tests.docs.kubectl import main

NODE = "rabbit@rabbitmq-server-2.rabbitmq-nodes.coffeeshop"


@pytest.mark.parametrize(
    "line",
    [
        "-n coffeeshop scale deployment/worker --replicas=3",
        "-n coffeeshop wait --for=condition=AllReplicasReady rabbitmqcluster/rabbitmq",
        f"-n coffeeshop exec rabbitmq-server-0 -- rabbitmqctl forget_cluster_node {NODE}",
        "label namespace monitoring coffeeshop/monitoring=true",
        "drain NODE --ignore-daemonsets --delete-emptydir-data",
    ],
)
def test_a_right_command_passes(line: str) -> None:
    assert main(line.split()) == 0


@pytest.mark.parametrize(
    "line",
    [
        "-n coffeeshop scale deployment/workers --replicas=3",
        "-n coffeshop get pods",
        "-n coffeeshop scale deployment/worker --replica=3",
        "-n coffeeshop rolout status deployment/worker",
        "-n coffeeshop exec rabbitmq-server-3 -- rabbitmqctl status",
        "apply -k deploy/kubernetes/overlays/huge",
    ],
)
def test_a_wrong_command_is_refused(line: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    assert main(line.split()) != 0
