"""A short campaign on three broker nodes, and what an operator is told of them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from coffeeshop.client.gateway import GatewayClient
from coffeeshop.commands.doctor import Finding, examine
from coffeeshop.testing.broker import PrivateBroker
from coffeeshop.testing.chaos import Campaign, run
from coffeeshop.testing.cluster import PrivateCluster
from coffeeshop.testing.processes import Cluster
from tests.chaos.campaign import described
from tests.oracle import answers

pytestmark = pytest.mark.timeout(600)


@pytest.fixture(scope="module")
def three(broker: PrivateBroker) -> Iterator[PrivateCluster]:
    """Three nodes; ``broker`` is asked for because it skips where there is no RabbitMQ."""
    with PrivateCluster(cuts=True) as private:
        yield private


@pytest.fixture
def nodes(three: PrivateCluster) -> PrivateCluster:
    """All of them run, and have their copies, whatever became of them in the test before."""
    if not all(node.answers() for node in three.nodes):
        three.mend()
        three.wait_whole()
    return three


def test_a_short_campaign_keeps_the_promise_while_broker_nodes_are_lost_and_cut_off(
    nodes: PrivateCluster, tmp_path: Path
) -> None:
    campaign = Campaign(
        seed=4,
        seconds=10,
        clients=2,
        growth=False,
        brokers=3,
        node_faults=("cut broker node off", "kill broker node"),
        outage=0.2,
    )
    report = run(campaign, tmp_path, answers, print, shared=nodes)
    print(described(report))
    assert report.kept, (report.wrong, report.refused, report.left, report.given_up)
    assert set(campaign.node_faults) < set(report.faults)
    assert report.traces == report.sessions
    assert report.ledger.confirmed > report.sessions
    assert not report.ledger.lost


def test_a_doctor_tells_of_each_node_and_of_the_one_that_is_away(nodes: PrivateCluster) -> None:
    with (
        Cluster(nodes.url) as cluster,
        closing(GatewayClient(cluster.gateway()[1], patience=60)) as client,
    ):
        whole = _nodes(client)
        lost = nodes.nodes[0]
        lost.kill()
        missing = _nodes(client)
    assert whole.ok, whole.found
    assert whole.found.startswith("3 of 3 answer, RabbitMQ ")
    assert not missing.ok
    assert missing.found.startswith("2 of 3 answer, RabbitMQ ")
    assert f"127.0.0.1:{lost.port} is away" in missing.found


def _nodes(client: GatewayClient) -> Finding:
    return next(each for each in examine(client) if each.check == "the nodes of the broker")
