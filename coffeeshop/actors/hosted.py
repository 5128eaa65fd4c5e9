"""A node of a process: its root actor and clock, seen from outside the actors."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from itertools import islice
from queue import Queue
from typing import Any

import pykka

from coffeeshop.actors.dispatcher import DispatcherStatus, ThreadDispatcher
from coffeeshop.actors.mailbox import Mailbox
from coffeeshop.actors.monitor import Taken
from coffeeshop.actors.node import Drain, GetStatus, NodeConfig, NodeStatus, NodeSupervisor
from coffeeshop.clock import SystemClock
from coffeeshop.observability.logs import get_logger
from coffeeshop.observability.metrics import Labelled
from coffeeshop.transport import Transport

log = get_logger()
ANSWER_TIMEOUT = 5.0
MOST_TOLD = 100
"""Sessions whose tasks a node tells of: it does so every two seconds."""
STOP_TIMEOUT = 30.0


class HostedNode:
    """Takes tasks of ``stages`` from the moment it is made until `close`."""

    def __init__(
        self,
        transport: Transport,
        stages: Sequence[str],
        on_failure: Callable[[str], None],
        config: NodeConfig | None = None,
    ) -> None:
        """``on_failure`` is called from the root actor's thread when the root itself fails."""
        self._clock = SystemClock()
        self._stages = tuple(stages)
        self._dispatcher = ThreadDispatcher(self._clock)
        self._root = NodeSupervisor.start(
            transport, stages, self._clock, config, on_failure, self._dispatcher
        )

    def hosted(self) -> NodeStatus:
        """What the node works on; nothing when it does not answer in time."""
        try:
            found = self._root.ask(GetStatus(), timeout=ANSWER_TIMEOUT)
        except (pykka.ActorDeadError, pykka.Timeout):
            return NodeStatus((), ())
        assert isinstance(found, NodeStatus)
        return found

    def status(self) -> dict[str, Any]:
        """Figures for metrics and for the list of nodes; ``stages`` has the tasks of each.

        ``hosted`` has them by session: of all sessions or, where that is a lot, of some.
        """
        hosted = self.hosted()
        return {
            "sessions": len(hosted.sessions),
            "tasks": len(hosted.tasks),
            "stages": _by_stage(hosted.tasks),
            "hosted": {
                "sessions": dict(islice(hosted.by_session.items(), MOST_TOLD)),
                "all": len(hosted.by_session) <= MOST_TOLD,
            },
            "actors": len(_actors()),
            **_of_threads(self._dispatcher.status()),
            "restarts_total": hosted.restarts,
            "tasks_settled_total": hosted.settled,
        }

    def metrics(self) -> dict[str, Any]:
        """What `metrics.render` takes of a node, besides its `status`."""
        began = time.perf_counter()
        hosted = self.hosted()
        answered = time.perf_counter() - began
        return {
            "supervisor_answer_seconds": answered,
            "tasks_by_stage": Labelled(
                "stage", {**dict.fromkeys(self._stages, 0), **_by_stage(hosted.tasks)}
            ),
            "records_taken_total": _by_each(hosted.taken, "records"),
            "record_bytes_taken_total": _by_each(hosted.taken, "bytes"),
            "repair_requests_total": _by_each(hosted.taken, "requests"),
            "longest_record_seconds": max((s for _, s in hosted.in_progress.values()), default=0.0),
            "actor_messages_waiting": sum(map(_waiting, _actors())),
        }

    def what_runs(self) -> dict[str, Any]:
        """What an operator asks a process that seems stuck: its actors with what waits in their
        inboxes, its sessions, its tasks with the records they are at and for how many seconds."""
        hosted = self.hosted()
        actors = [(ref.actor_class.__name__, _waiting(ref)) for ref in _actors()]
        return {
            "actors": dict(Counter(name for name, _ in actors)),
            "waiting": {name: waiting for name, waiting in actors if waiting},
            "sessions": list(hosted.sessions),
            "tasks": list(hosted.tasks),
            "at": {
                f"{task.session} {task.producer}": f"{record}, {seconds:.1f} s"
                for task, (record, seconds) in hosted.in_progress.items()
            },
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
        self._dispatcher.close()
        self._clock.close()


def _of_threads(status: DispatcherStatus) -> dict[str, int]:
    return {
        "actor_threads": status.threads,
        "actors_waiting_for_threads": status.waiting,
        "threads_refused_total": status.refused,
    }


def _by_stage(tasks: Sequence[str]) -> dict[str, int]:
    return dict(Counter(task.rpartition(".")[0] for task in tasks))


def _actors() -> list[pykka.ActorRef[Any]]:
    return pykka.ActorRegistry.get_all()


def _waiting(ref: pykka.ActorRef[Any]) -> int:
    inbox = ref.actor_inbox
    assert isinstance(inbox, Queue | Mailbox)
    return inbox.qsize()


def _by_each(taken: Mapping[str, Taken], counter: str) -> Labelled:
    return Labelled("stage", {stage: getattr(each, counter) for stage, each in taken.items()})
