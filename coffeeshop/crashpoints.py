"""Named places at which a process can be made to die: the registry, and the one call in each.

Unarmed, `crash_point` is one comparison. The command line arms one point of its process, and only
from the environment: ``COFFEESHOP_CRASH_AT=task.output_sent:3`` kills it (SIGKILL: no clean-up of
any kind) when it passes that point for the third time. Imports nothing of the project's.
"""

from __future__ import annotations

import os
import signal
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager

VARIABLE = "COFFEESHOP_CRASH_AT"
POINTS = {
    "node.assignment_taken": "a task was handed to this node, nothing of it has begun",
    "task.started": "the attempt reads its journal",
    "task.before_feed": "a record was read, not worked on",
    "task.after_feed": "a record was worked on, nothing was sent",
    "task.output_sent": "an output was handed to the transport",
    "task.output_confirmed": "an output is stored",
    "task.before_done": "all outputs are stored, and not announced",
    "node.before_ack": "the task is done, its assignment waits",
    "node.after_ack": "the assignment was acknowledged, perhaps not heard",
    "session.failure_sent": "the failure was handed to the transport",
    "session.failure_confirmed": "the failure is stored, no assignment was acknowledged",
    "gateway.keeper_assigned": "a session has a keeper, it is not announced",
    "gateway.opened_written": "a session was announced, it has no journals",
    "keeper.assignment_taken": "a session was handed to this process, nothing of it has begun",
    "keeper.journals_declared": "the journals are there, no task was put up",
    "keeper.assignment_published": "a task was put up, perhaps not all",
    "keeper.declared_written": "the session is ready, its client has no answer",
    "gateway.batch_appended": "a batch was handed to the transport, its client has no answer",
    "gateway.batch_confirmed": "a batch is stored, its client has no answer",
    "gateway.eof_appended": "an end of table was handed to the transport",
    "gateway.eof_confirmed": "an end of table is stored, the other gateways do not know",
    "gateway.table_ended_written": "the others know of it, its client has no answer",
    "gateway.event_told": "an event is about to go to a client",
    "keeper.end_read": "the terminal record was read, its keeper was not told",
    "keeper.ended_written": "the end was announced, the input is still there",
    "keeper.input_released": "the input is gone, the others do not know",
    "keeper.released_written": "the others know of it",
    "keeper.before_ack": "the input is gone, the keeper's assignment waits",
    "keeper.after_ack": "the assignment was acknowledged, perhaps not heard",
    "gateway.result_read": "a result was read, its client has no answer",
    "keeper.results_released": "the results are gone, the others do not know",
    "keeper.expired_written": "the others know of it",
    "client.opened": "the session is open, nothing was sent",
    "client.batch_answered": "a batch is stored",
    "client.table_answered": "an end of table is stored",
    "client.completed": "the session is complete, no result was fetched",
}
"""Every point, and what holds when a process dies there. Its first word is where it is."""

_armed: Callable[[str], None] | None = None


def crash_point(name: str) -> None:
    """This is the point of that name. Thread-safe."""
    if _armed is not None:
        _armed(name)


def arm(wanted: str) -> None:
    """Die at ``name[:n]``, the n-th passing (the first by default). Raises ValueError."""
    global _armed
    name, _, number = wanted.partition(":")
    if name not in POINTS or not (number or "1").isdecimal() or number == "0":
        raise ValueError(f"no crash point {wanted!r}")
    left = int(number or "1")
    lock = threading.Lock()

    def passing(point: str) -> None:
        nonlocal left
        if point == name:
            with lock:  # never given back by the thread that kills: no other gets past it
                left -= 1
                if left == 0:
                    os.kill(os.getpid(), signal.SIGKILL)
                    threading.Event().wait()  # the signal may take a moment

    _armed = passing


@contextmanager
def heard_by(passing: Callable[[str], None]) -> Iterator[None]:
    """Call ``passing`` with the name of every point that this process passes meanwhile."""
    global _armed
    before, _armed = _armed, passing
    try:
        yield
    finally:
        _armed = before


@contextmanager
def noting() -> Iterator[Counter[str]]:
    """Count the passings of this process meanwhile, instead of dying."""
    passed = Counter[str]()
    lock = threading.Lock()

    def passing(point: str) -> None:
        with lock:
            passed[point] += 1

    with heard_by(passing):
        yield passed
