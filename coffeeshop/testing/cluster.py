"""A private RabbitMQ cluster on loopback, for tests that lose one of its nodes."""

from __future__ import annotations

import atexit
import time
from concurrent.futures import ThreadPoolExecutor

from coffeeshop.errors import Unreachable
from coffeeshop.testing.broker import Domain, PrivateBroker, node_name

_CONFIG = """
cluster_partition_handling = pause_minority
queue_leader_locator = balanced

cluster_formation.peer_discovery_backend = classic_config
cluster_formation.randomized_startup_delay_range.min = 0
cluster_formation.randomized_startup_delay_range.max = 1
"""


class PrivateCluster:
    """Broker nodes that found each other; takes 20 to 60 s to start on two cores.

    `nodes` are `PrivateBroker`s: kill, freeze and start them one by one. A node that is killed and
    not started again is one whose machine is lost for good. Not for use by two threads at once.
    """

    def __init__(self, size: int = 3, *, config: str = "", patience: float = 110.0) -> None:
        """``config``: more lines for each rabbitmq.conf. ``patience``: seconds a start may take."""
        self._patience = patience
        self._domain = Domain(patience)
        names = [node_name() for _ in range(size)]
        peers = "".join(
            f"cluster_formation.classic_config.nodes.{number} = {name}\n"
            for number, name in enumerate(names, 1)
        )
        self.nodes = [
            PrivateBroker(
                config=_CONFIG + peers + config, patience=patience, domain=self._domain, name=name
            )
            for name in names
        ]
        atexit.register(self.close)

    @property
    def url(self) -> str:
        """All of its AMQP listeners in one URL, with the default user."""
        hosts = ",".join(f"127.0.0.1:{node.port}" for node in self.nodes)
        return f"amqp://guest:guest@{hosts}/"

    def start(self) -> None:
        """Start the nodes that do not run, and wait until all that run know each other.

        Raises `Unreachable` when that takes too long.
        """
        self._domain.start()
        with ThreadPoolExecutor(len(self.nodes)) as starting:
            list(starting.map(PrivateBroker.start, self.nodes))
        deadline = time.monotonic() + self._patience
        while self.members() != len(self.nodes):
            if time.monotonic() > deadline:
                raise Unreachable("the nodes did not find each other")

    def members(self) -> int:
        """How many nodes run in the cluster, as the first running one sees it."""
        running = next(node for node in self.nodes if node.running)
        listed = running.rabbitmqctl("eval", "length(rabbit_nodes:all_running()).")
        return int(listed)

    def node_of(self, name: str) -> PrivateBroker:
        """The node of that Erlang name."""
        return next(node for node in self.nodes if node.name == name)

    def leaders(self) -> dict[str, PrivateBroker]:
        """Which node leads each queue and stream, by its name; takes a second or two."""
        running = next(node for node in self.nodes if node.running)
        table = running.rabbitmqctl("list_queues", "--no-table-headers", "name", "leader", "pid")
        rows = [line.split("\t") for line in table.splitlines()]
        # Of a classic queue there is no leader but a process, whose name begins with its node's.
        return {name: self.node_of(leader or pid[1:].split(".")[0]) for name, leader, pid in rows}

    def close(self) -> None:
        """End all nodes and remove their files; harmless twice."""
        atexit.unregister(self.close)
        for node in self.nodes:
            node.close()
        self._domain.close()

    def __enter__(self) -> PrivateCluster:
        try:
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
