"""Real processes and a real broker, broken one at a time and repaired, as chance has it."""

from __future__ import annotations

import random
import signal
import time
from collections import deque
from collections.abc import Callable
from typing import Any

from coffeeshop.testing.broker import PrivateBroker
from coffeeshop.testing.processes import Cluster, NodeProcess, url_of

LINES, PAST = 3_000, 20
"""Log lines kept of a process, and processes that are no more."""


class Faults:
    """Breaks one thing at a time, and repairs it."""

    def __init__(
        self,
        chance: random.Random,
        broker: PrivateBroker,
        cluster: Cluster,
        say: Callable[[str], None],
    ) -> None:
        self._chance = chance
        self._broker = broker
        self._cluster = cluster
        self._say = say
        self.workers: list[NodeProcess] = []
        self.gateways: list[NodeProcess] = []
        self.ports: list[str] = []
        self._past: deque[list[dict[str, Any]]] = deque(maxlen=PAST)

    def start(self, workers: int) -> None:
        """Start the processes."""
        self.workers = [self._worker() for _ in range(workers)]
        self.gateways = [self._gateway("0") for _ in range(2)]
        self.ports = [url_of(each).rsplit(":", 1)[1] for each in self.gateways]

    def one(self) -> str:
        """Do something bad; returns what. The worst things are rarer."""
        acts: list[tuple[int, Callable[[], None]]] = [
            (5, self.kill_worker),
            (3, self.restart_worker),
            (3, self.freeze_worker),
            (4, self.kill_gateway),
            (2, self.restart_gateway),
            (2, self.freeze_gateway),
            (1, self.kill_broker),
            (1, self.restart_broker),
            (1, self.freeze_broker),
        ]
        act = self._chance.choices([act for _, act in acts], [weight for weight, _ in acts])[0]
        name = act.__name__.replace("_", " ")
        self._say(name)
        act()
        return name

    def kill_worker(self) -> None:
        place = self._chance.randrange(len(self.workers))
        self.workers[place].kill()
        self._forget(self.workers[place])
        self.workers[place] = self._worker()

    def restart_worker(self) -> None:
        place = self._chance.randrange(len(self.workers))
        self.workers[place].end()
        self._forget(self.workers[place])
        self.workers[place] = self._worker()

    def freeze_worker(self) -> None:
        self._freeze(self._chance.choice(self.workers))

    def kill_gateway(self) -> None:
        place = self._chance.randrange(len(self.gateways))
        self.gateways[place].kill()
        self._forget(self.gateways[place])
        self.gateways[place] = self._gateway(self.ports[place])

    def restart_gateway(self) -> None:
        place = self._chance.randrange(len(self.gateways))
        self.gateways[place].end()
        self._forget(self.gateways[place])
        self.gateways[place] = self._gateway(self.ports[place])

    def freeze_gateway(self) -> None:
        self._freeze(self._chance.choice(self.gateways))

    def kill_broker(self) -> None:
        self._broker.kill()
        self._broker.start()

    def restart_broker(self) -> None:
        self._broker.restart()

    def freeze_broker(self) -> None:
        self._broker.freeze()
        time.sleep(self._chance.uniform(0.5, 10.0))
        self._broker.thaw()

    def _freeze(self, process: NodeProcess) -> None:
        """Shorter than a heartbeat or longer, as it happens."""
        process.signal(signal.SIGSTOP)
        time.sleep(self._chance.uniform(0.5, 10.0))
        process.signal(signal.SIGCONT)

    def heard(self) -> list[dict[str, Any]]:
        """The last lines that the processes said, also of those that are no more."""
        now = [self._last(each) for each in (*self.workers, *self.gateways)]
        return [line for lines in (*self._past, *now) for line in lines]

    def _last(self, process: NodeProcess) -> list[dict[str, Any]]:
        return [{"process": process.pid, **line} for line in process.events[-LINES:]]

    def _forget(self, process: NodeProcess) -> None:
        self._cluster.processes.remove(process)
        self._past.append(self._last(process))

    def _worker(self) -> NodeProcess:
        return self._cluster.start("worker", ready=False)

    def _gateway(self, port: str) -> NodeProcess:
        options = ("--port", port, "--result-ttl", "20", "--client-timeout", "120")
        return self._cluster.start("gateway", options=options, ready=False)
