"""The loss for good of a broker node that leads what a running session needs (`make long`)."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass

import pytest

from coffeeshop.client.gateway import GatewayClient
from coffeeshop.client.remote import analyse, open_with_new_id
from coffeeshop.formats import to_csv
from coffeeshop.pipeline.messages import SessionSpec
from coffeeshop.sessions.sessions import ASSIGNMENT_QUEUES
from coffeeshop.testing.broker import PrivateBroker
from coffeeshop.testing.cluster import PrivateCluster
from coffeeshop.testing.processes import Cluster
from tests.chaos.conftest import Data
from tests.running import new_id

pytestmark = [pytest.mark.long, pytest.mark.timeout(600)]

CLIENTS = 3
SECONDS = 40.0
"""Seconds in which clients open sessions, one after the other; the node is lost at a third, or when
it is known which one, should that take longer."""
LATEST = 30.0
"""Seconds that no session may take longer. A node that says nothing is given up by its clients
after 10 to 13 s, by the other nodes after 7 to 13, and what it was asked then is asked again."""


@dataclass(frozen=True)
class Analysed:
    """One session: when it began, how long it took, and whether its answers are right."""

    began: float
    seconds: float
    right: bool


@pytest.fixture(scope="module")
def three(broker: PrivateBroker) -> Iterator[PrivateCluster]:
    """Three nodes; ``broker`` is asked for because it skips where there is no RabbitMQ."""
    with PrivateCluster(cuts=True) as private:
        yield private


@pytest.fixture
def nodes(three: PrivateCluster) -> Iterator[PrivateCluster]:
    """All of them run, and have their copies."""
    three.mend()
    three.wait_whole()
    yield three
    for node in three.nodes:
        three.heal(node)
        if node.frozen:
            node.kill()


def lose(nodes: PrivateCluster, lost: PrivateBroker, how: str) -> None:
    """For good: ``killed``, so that its connections are reset, or ``silent``, so that they are not:
    its clients' stay open and what it and the other nodes send each other does not arrive."""
    if how == "killed":
        lost.kill()
    else:
        nodes.cut(lost, silent=True)
        lost.freeze()


def leader_of_most(nodes: PrivateCluster) -> PrivateBroker:
    """The node that leads most of the queues of tasks and of the open sessions' journals."""
    leaders = nodes.leaders()
    queues = Counter(leaders[queue] for queue in ASSIGNMENT_QUEUES)
    journals = Counter(node for name, node in leaders.items() if name.startswith(("in.", "out.")))
    assert journals, "no session runs"
    leader = max(queues, key=lambda node: (queues[node] > 0, journals[node]))
    print(f"lost: leads {queues[leader]} queues of tasks, {journals[leader]} journals")
    assert queues[leader]
    assert journals[leader]
    return leader


@pytest.mark.parametrize("how", ["killed", "silent"])
def test_every_answer_is_right_and_in_time_when_a_node_that_leads_them_is_lost_for_good(
    nodes: PrivateCluster, large: Data, how: str
) -> None:
    with ExitStack() as stack:
        cluster = stack.enter_context(Cluster(nodes.url))
        urls = [cluster.gateway()[1] for _ in range(2)]
        for _ in range(2):
            cluster.start("worker")
        began = time.monotonic()
        enough = threading.Event()

        def work(number: int) -> list[Analysed]:
            client = GatewayClient(urls[number % len(urls)], patience=120)
            found = []
            try:
                while not enough.is_set():
                    start = time.monotonic()
                    # As `submit` does: where the node was killed that made a session's journals,
                    # the session cannot be opened, and another is.
                    spec = open_with_new_id(client, large.folder, SessionSpec(new_id()))
                    _, tables, _ = analyse(client, large.folder, spec)
                    texts = {
                        f"{name}.csv": to_csv(table).decode() for name, table in tables.items()
                    }
                    seconds = time.monotonic() - start
                    found.append(Analysed(start - began, seconds, texts == large.answers))
            finally:
                client.close()
            return found

        pool = stack.enter_context(ThreadPoolExecutor(CLIENTS))
        working: list[Future[list[Analysed]]] = [pool.submit(work, n) for n in range(CLIENTS)]
        while time.monotonic() < began + SECONDS / 3:
            time.sleep(0.1)  # under load, which is what is tried
        try:
            lost = leader_of_most(nodes)
            lose(nodes, lost, how)
        except BaseException:
            enough.set()
            raise
        killed = time.monotonic() - began
        enough.wait(2 * SECONDS / 3)  # more load
        enough.set()
        sessions = [session for each in working for session in each.result(300)]
    during = [s for s in sessions if s.began < killed < s.began + s.seconds]
    slowest = max(s.seconds for s in sessions)
    told = f"{len(during)} under way when it was {how}, slowest {slowest:.1f} s"
    print(f"{len(sessions)} sessions, {told}")
    assert during
    assert all(session.right for session in sessions)
    assert slowest < LATEST
