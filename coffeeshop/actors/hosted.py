"""A node of a process: its root actor and clock, seen from outside the actors."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import pykka
import structlog

from coffeeshop.actors.clock import SystemClock
from coffeeshop.actors.node import Drain, Hosted, NodeSupervisor, Supervision, WhatIsHosted
from coffeeshop.transport import Transport

log = structlog.get_logger()
ANSWER_TIMEOUT = 5.0
STOP_TIMEOUT = 30.0


class HostedNode:
    """Takes tasks of ``stages`` from the moment it is made until `close`."""

    def __init__(
        self,
        transport: Transport,
        stages: Sequence[str],
        on_failure: Callable[[str], None],
        supervision: Supervision | None = None,
    ) -> None:
        """``on_failure`` is called from the root actor's thread when the root itself fails."""
        self._clock = SystemClock()
        self._root = NodeSupervisor.start(transport, stages, self._clock, supervision, on_failure)

    def hosted(self) -> Hosted:
        """What the node works on; nothing when it does not answer in time."""
        try:
            found = self._root.ask(WhatIsHosted(), timeout=ANSWER_TIMEOUT)
        except (pykka.ActorDeadError, pykka.Timeout):
            return Hosted((), ())
        assert isinstance(found, Hosted)
        return found

    def figures(self) -> dict[str, Any]:
        """Figures for metrics and for the list of nodes; ``stages`` has the tasks of each."""
        hosted = self.hosted()
        return {
            "sessions": len(hosted.sessions),
            "tasks": len(hosted.tasks),
            "stages": dict(Counter(task.rpartition(".")[0] for task in hosted.tasks)),
            "actors": len(pykka.ActorRegistry.get_all()),
            "restarts_total": hosted.restarts,
            "tasks_settled_total": hosted.settled,
        }

    def close(self, drain_timeout: float) -> None:
        """Take nothing more, wait that long for the tasks to end, hand the rest back."""
        idle = threading.Event()
        try:
            self._root.tell(Drain(idle.set))
            if not idle.wait(drain_timeout):
                log.info("node.hands_back", tasks=list(self.hosted().tasks))
            self._root.stop(timeout=STOP_TIMEOUT)
        except pykka.ActorDeadError:
            log.info("node.ended_before")
        except pykka.Timeout:
            log.error("node.does_not_stop", seconds=STOP_TIMEOUT)
        self._clock.close()
