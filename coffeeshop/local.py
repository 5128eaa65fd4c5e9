"""Everything in one process: the embedded system behind ``coffeeshop submit`` without a gateway.

The composition root starts transport, clock and node in this order and stops them in reverse.
"""

from __future__ import annotations

import math
import os
import threading
import time
import uuid
import weakref
from collections.abc import Callable
from dataclasses import replace

from coffeeshop.actors import NodeConfig, NodeSupervisor, SystemClock
from coffeeshop.actors.dispatcher import ThreadDispatcher
from coffeeshop.client.upload import OnProgress, Uploaded, upload, use_one_columnar_thread
from coffeeshop.errors import Cancelled, CoffeeshopError
from coffeeshop.names import STAGES
from coffeeshop.observability import tracing
from coffeeshop.pipeline.messages import SessionSpec
from coffeeshop.pipeline.plan import plan_of
from coffeeshop.reading.folder import DataFolder
from coffeeshop.sessions.ingest import Ingest
from coffeeshop.sessions.outcome import SessionOutcome
from coffeeshop.sessions.results import Completed, Update
from coffeeshop.sessions.steps import open_session, release_session
from coffeeshop.transport import Transport
from coffeeshop.transport.memory import MemoryTransport
from coffeeshop.transport.outbox import Outbox

CLOSED = "the client was closed"


class NodeFailed(CoffeeshopError):
    """The root actor failed: a bug, not bad input."""

    exit_code = 70


class LocalSystem:
    """Gateway logic and a node with every stage over one transport. Use as a context manager.

    Any number of threads may `analyse` at once; each session is independent.
    """

    def __init__(
        self, transport: Transport | None = None, config: NodeConfig | None = None
    ) -> None:
        use_one_columnar_thread()
        self.transport: Transport = transport or MemoryTransport()
        self.clock = SystemClock()
        self.outbox = Outbox(self.transport, self.clock)
        self.failure: str | None = None
        self._is_closed = False
        self._lock = threading.Lock()
        self._opening = threading.Lock()  # no session is being opened while this is closed
        self._outcomes: weakref.WeakSet[SessionOutcome] = weakref.WeakSet()
        processors = os.cpu_count() or 2
        self._dispatcher = ThreadDispatcher(self.clock, threads=max(2, processors))
        self._beside_parsers = max(1, processors // 2)
        self.node = NodeSupervisor.start(
            self.transport, STAGES, self.clock, config, self._root_failed, self._dispatcher
        )

    def __enter__(self) -> LocalSystem:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Stop node, clock and transport, in this order. Sessions that run are cancelled."""
        with self._opening, self._lock:
            self._is_closed = True
            outcomes = list(self._outcomes)
        for outcome in outcomes:
            outcome.abandon(Cancelled(CLOSED))
        self.node.stop(timeout=30)
        self._dispatcher.close()
        self.clock.close()
        self.transport.close()

    def analyse(  # noqa: PLR0913 - the options of a run, all by name
        self,
        folder: DataFolder,
        *,
        plan: str = "fused",
        partitions: int = 2,
        skip_bad_rows: bool = False,
        timeout: float | None = None,
        session: str | None = None,
        parameters: str = "",
        questions: tuple[str, ...] = (),
        quality: bool = False,
        on_open: Callable[[str], None] = lambda session: None,
        on_progress: OnProgress = lambda table, rows, size: None,
        on_complete: Callable[[str], None] = lambda query: None,
    ) -> tuple[Uploaded, Completed]:
        """Run one session over a folder; ``session`` is its id (a UUID), a new one if None.

        ``parameters``, ``questions`` and ``quality`` are those of `SessionSpec`.
        ``timeout`` bounds all of it, in seconds.
        Raises `BadData`, `SessionFailed`, `SessionTimeout`, `Unreachable`, `NodeFailed`; the
        session's objects are gone either way.
        """
        name = session or str(uuid.uuid4())
        spec = SessionSpec(name, plan, 1, partitions, parameters, questions, quality)
        deadline = math.inf if timeout is None else time.monotonic() + timeout
        with tracing.span("submit", {"session": spec.id, "plan": spec.plan}, root=True):
            try:
                with self._opening:
                    if self._is_closed:
                        raise Cancelled(CLOSED)
                    open_session(self.outbox, spec)
                    outcome = self._follow(spec)
                outcome.subscribe(lambda update: _tell_results(update, on_complete))
                on_open(spec.id)
                with self._dispatcher.fewer_threads(self._beside_parsers):
                    uploaded = upload(
                        folder,
                        Ingest(self.outbox, spec),
                        plan=plan_of(spec),
                        skip_bad_rows=skip_bad_rows,
                        on_progress=on_progress,
                        stop=lambda: outcome.is_over or time.monotonic() > deadline,
                    )
                left = None if timeout is None else max(0.0, deadline - time.monotonic())
                completed = outcome.completed(left, timeout)
                warnings = (*uploaded.warnings, *completed.warnings)
                return uploaded, replace(completed, warnings=warnings)
            finally:
                release_session(self.outbox, spec)

    def cancel(self, session: str) -> None:
        """End a session that runs; its caller gets `Cancelled`. From any thread."""
        with self._lock:
            outcomes = [each for each in self._outcomes if each.spec.id == session]
        for outcome in outcomes:
            outcome.abandon(Cancelled("cancelled by the client"))

    def _follow(self, spec: SessionSpec) -> SessionOutcome:
        outcome = SessionOutcome(self.transport, spec, self.clock)
        with self._lock:
            self._outcomes.add(outcome)
            failure = self.failure
        if failure is not None:
            outcome.abandon(NodeFailed(failure))
        return outcome

    def _root_failed(self, reason: str) -> None:
        with self._lock:
            self.failure = reason
            outcomes = list(self._outcomes)
        for outcome in outcomes:  # no node is left to end their sessions
            outcome.abandon(NodeFailed(reason))


def _tell_results(update: Update, on_complete: Callable[[str], None]) -> None:
    for name, data in update.events:
        if name == "result":
            on_complete(data["query"])
