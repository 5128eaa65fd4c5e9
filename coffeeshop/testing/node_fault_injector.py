"""The nodes of a broker cluster, broken one at a time and whole again before the next."""

from __future__ import annotations

import random
import subprocess
import time
from collections.abc import Callable

from coffeeshop.errors import Unreachable
from coffeeshop.testing.broker import PrivateBroker
from coffeeshop.testing.cluster import PrivateCluster
from coffeeshop.testing.openings import Openings

LONGEST_CUT = 40.0
UNNOTICED = 5.0
"""Seconds. Nodes give a silent one up after 7 to 13 (`net_ticktime` is 10). A longer silence that a
node has not noticed itself may leave a RabbitMQ 3.10.8 apart from the others although it runs, and
then it tells its clients that their journals do not exist: docs/support.md. So none is made: it
lasts until the node has stopped serving, and a frozen one is reset."""
SHORT = 0.3
"""The part of silences that no node notices."""
NOTICED = 150.0
"""Seconds that a node may take to notice that it is cut off."""
LONGEST_ABSENCE = 20.0
SELF_HEALING = 0.2
"""The part of the patience that a cluster has to become whole by itself."""
RECONNECTING = 0.15
"""The part of it after which a node that takes no connections is started again."""
OPENING = 10.0
"""Seconds that sessions have to be opened before a node starts without them."""


class NodeFaultInjector:
    """Breaks one node at a time, and repairs it. Two at once are more than three nodes bear."""

    def __init__(
        self,
        chance: random.Random,
        cluster: PrivateCluster,
        say: Callable[[str], None],
        patience: float,
        outage: float,
        openings: Openings,
    ) -> None:
        """``patience``: seconds until the cluster must be whole again after a repair. ``outage``: a
        factor for how long nodes are away, frozen or cut off. ``openings``: of sessions, held
        while a node starts."""
        self._chance = chance
        self._cluster = cluster
        self._say = say
        self._patience = patience
        self._outage = outage
        self._openings = openings
        self.removed: list[str] = []
        """Names without a stream that kept a node from starting."""
        self.remained: list[str] = []
        """What was not whole again in time, until its node was started once more."""

    def one(self, wanted: str = "") -> str:
        """Do something bad to a node and wait until all are whole; returns what it was.

        ``wanted``: its name; as chance has it without one.
        """
        acts: list[tuple[int, Callable[[PrivateBroker], None]]] = [
            (3, self.kill_broker_node),
            (1, self.restart_broker_node),
            (3, self.freeze_broker_node),
            (2, self.cut_broker_node_off),
            (2, self.silence_broker_node),
            (2, self.replace_broker_node),
        ]
        act = self._chance.choices([act for _, act in acts], [weight for weight, _ in acts])[0]
        if wanted:
            act = next(act for _, act in acts if _name(act) == wanted)
        name = _name(act)
        place = self._chance.randrange(len(self._cluster.nodes))
        node = self._cluster.nodes[place]
        self._say(f"{name} {node.name}")
        began = time.monotonic()
        try:
            act(node)
        except (Unreachable, subprocess.SubprocessError) as error:
            self._say(f"not done: {error}")  # `replace` alone may fail; the node is started again
            self.remained.append(f"in {name}: {error}")
        self._become_whole(name, place)
        self._say(f"the cluster is whole after {time.monotonic() - began:.0f} s")
        return name

    def kill_broker_node(self, node: PrivateBroker) -> None:
        node.kill()
        self._wait(LONGEST_ABSENCE)

    def restart_broker_node(self, node: PrivateBroker) -> None:
        node.stop()

    def freeze_broker_node(self, node: PrivateBroker) -> None:
        """Its machine hangs: for a moment, or until it is reset."""
        node.freeze()
        if self._chance.random() < SHORT:
            self._wait(UNNOTICED)
        else:
            self._wait(LONGEST_ABSENCE)
            node.kill()

    def cut_broker_node_off(self, node: PrivateBroker) -> None:
        """Its connections to the others are reset and refused."""
        self._cluster.cut(node)
        self._wait(LONGEST_CUT)

    def silence_broker_node(self, node: PrivateBroker) -> None:
        """What it and the others send each other does not arrive."""
        short = self._chance.random() < SHORT
        self._cluster.cut(node, silent=True)
        self._wait(UNNOTICED)
        deadline = time.monotonic() + NOTICED
        while not short and node.answers() and time.monotonic() < deadline:
            time.sleep(0.5)

    def replace_broker_node(self, node: PrivateBroker) -> None:
        """It is lost for good, with its disk; another takes its place."""
        node.kill()
        self._wait(LONGEST_ABSENCE)
        with self._openings.held(OPENING):
            self.removed += self._cluster.replace(node)

    def _wait(self, longest: float) -> None:
        time.sleep(self._outage * self._chance.uniform(1.0, longest))

    def _become_whole(self, name: str, place: int) -> None:
        """Start what was killed, thaw, heal. What the cluster does not mend by itself then is
        reported, and mended as docs/operations.md says: by a restart of the node that was broken,
        and of all if that is not enough."""
        nodes = self._cluster.nodes
        for restarted in ([], [nodes[place]], nodes):
            patience = self._patience * (1.0 if restarted else SELF_HEALING)
            try:
                with self._openings.held(OPENING):
                    grace = self._patience * RECONNECTING
                    self.removed += self._cluster.mend(restarted, grace)
                self._cluster.wait_whole(patience)
                return
            except (Unreachable, subprocess.SubprocessError) as error:
                self._say(f"not whole: {error}")
                self.remained.append(f"after {name}: {error}")
        raise Unreachable(self.remained[-1])


def _name(act: Callable[[PrivateBroker], None]) -> str:
    return act.__name__.replace("_", " ")
