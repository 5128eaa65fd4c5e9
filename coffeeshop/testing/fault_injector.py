"""Real processes and a real broker, broken one at a time and repaired, as chance has it."""

from __future__ import annotations

import json
import random
import re
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from coffeeshop.testing import ledger
from coffeeshop.testing.broker import PrivateBroker
from coffeeshop.testing.processes import READY_TIMEOUT, Cluster, NodeProcess, url_of

SESSION_ID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
LOST_SHARE = 0.01
"""Of the appends of a worker that loses some. Clients that have left are asked for nothing."""
LINES = 300
"""Last log lines of a process that are evidence whatever they are about."""


class FaultInjector:
    """Breaks one thing at a time, and repairs it."""

    def __init__(
        self,
        chance: random.Random,
        broker: PrivateBroker | None,
        cluster: Cluster,
        say: Callable[[str], None],
        gateway_options: tuple[str, ...],
        logs: Path,
        ledgers: Path,
    ) -> None:
        """``broker``: None leaves it to others to break it. ``logs``: a folder for what the dead
        said; ``ledgers``: one for what was confirmed, see `coffeeshop.testing.ledger`."""
        self._gateway_options = gateway_options
        self._logs = logs
        self._logs.mkdir(parents=True)
        self._ledgers = ledgers
        self._chance = chance
        self._broker = broker
        self._cluster = cluster
        self._say = say
        self.workers: list[NodeProcess] = []
        self.gateways: list[NodeProcess] = []
        self.ports: list[str] = []

    def start(self, workers: int, patience: float = 1.0) -> None:
        """Start the processes and wait until they are ready, so many times their usual time."""
        self.workers = [self._worker() for _ in range(workers)]
        self.gateways = [self._gateway("0") for _ in range(2)]
        timeout = READY_TIMEOUT * patience
        self.ports = [url_of(each, timeout).rsplit(":", 1)[1] for each in self.gateways]
        for each in (*self.workers, *self.gateways):
            each.wait_for("node.ready", timeout)

    def one(self) -> str:
        """Do something bad; returns what. The worst things are rarer."""
        acts: list[tuple[int, Callable[[], None]]] = [
            (5, self.kill_worker),
            (3, self.restart_worker),
            (3, self.freeze_worker),
            (4, self.kill_gateway),
            (2, self.restart_gateway),
            (2, self.freeze_gateway),
        ]
        if self._broker is not None:
            acts += [
                (2, self.lose_records_of_worker),
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
        self._replace_worker(NodeProcess.kill)

    def restart_worker(self) -> None:
        self._replace_worker(NodeProcess.end)

    def lose_records_of_worker(self) -> None:
        """A worker of which the broker confirms what it stores nowhere, until it is replaced."""
        self._replace_worker(NodeProcess.end, **{ledger.LOSES: str(LOST_SHARE)})

    def _replace_worker(self, end: Callable[[NodeProcess], object], **environment: str) -> None:
        place = self._chance.randrange(len(self.workers))
        end(self.workers[place])
        self._forget(self.workers[place])
        self.workers[place] = self._worker(**environment)

    def freeze_worker(self) -> None:
        self._freeze(self._chance.choice(self.workers))

    def kill_gateway(self) -> None:
        self._replace_gateway(NodeProcess.kill)

    def restart_gateway(self) -> None:
        self._replace_gateway(NodeProcess.end)

    def _replace_gateway(self, end: Callable[[NodeProcess], object]) -> None:
        place = self._chance.randrange(len(self.gateways))
        end(self.gateways[place])
        self._forget(self.gateways[place])
        self.gateways[place] = self._gateway(self.ports[place])

    def freeze_gateway(self) -> None:
        self._freeze(self._chance.choice(self.gateways))

    def kill_broker(self) -> None:
        assert self._broker is not None
        self._broker.kill()
        self._broker.start()

    def restart_broker(self) -> None:
        assert self._broker is not None
        self._broker.restart()

    def freeze_broker(self) -> None:
        assert self._broker is not None
        self._broker.freeze()
        time.sleep(self._chance.uniform(0.5, 10.0))
        self._broker.thaw()

    def _freeze(self, process: NodeProcess) -> None:
        """Shorter than a heartbeat or longer, as it happens."""
        process.signal(signal.SIGSTOP)
        time.sleep(self._chance.uniform(0.5, 10.0))
        process.signal(signal.SIGCONT)

    def heard(self, about: list[str]) -> list[dict[str, Any]]:
        """What all processes said of these sessions, and last, those that are no more included.

        ``about``: sentences that hold the sessions' ids.
        """
        for each in (*self.workers, *self.gateways):
            self._keep(each)
        sessions = set(SESSION_ID.findall(" ".join(about)))
        return [line for log in sorted(self._logs.iterdir()) for line in _evidence(log, sessions)]

    def _keep(self, process: NodeProcess) -> None:
        lines = (json.dumps({"process": process.pid, **line}) for line in list(process.events))
        (self._logs / f"{process.pid}.jsonl").write_text("\n".join(lines))

    def _forget(self, process: NodeProcess) -> None:
        self._cluster.processes.remove(process)
        self._keep(process)

    def _worker(self, **environment: str) -> NodeProcess:
        return self._start("worker", **environment)

    def _gateway(self, port: str) -> NodeProcess:
        return self._start("gateway", "--port", port, *self._gateway_options)

    def _start(self, kind: str, *options: str, **more: str) -> NodeProcess:
        environment = {ledger.FOLDER: str(self._ledgers), **more}
        return self._cluster.start(
            kind, options=options, ready=False, environment=environment, module=ledger.__name__
        )


def _evidence(log: Path, sessions: set[str]) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    told = lines[-LINES:]
    return [line for line in lines[:-LINES] if line.get("session") in sessions] + told
