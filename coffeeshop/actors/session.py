"""The actor of one session on one node: the supervisor of its tasks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from coffeeshop.actors.monitor import TaskMonitor
from coffeeshop.actors.restarts import SESSION_INTENSITY, Intensity
from coffeeshop.actors.supervised import ChildFailed, Parent, Ref, tell
from coffeeshop.actors.supervision import Supervisor
from coffeeshop.actors.task import TaskActor, TaskDone, TaskGivenUp, TaskOver
from coffeeshop.clock import Backoff, Clock
from coffeeshop.crashpoints import crash_point
from coffeeshop.observability.logs import get_logger
from coffeeshop.pipeline.messages import Record, SessionSpec, TaskId, out_journal
from coffeeshop.transport import Outcome, Transport
from coffeeshop.transport.outbox import Outbox

log = get_logger()
REFUSED_DELAY = 2.0
"""Seconds until a failure that the broker refuses is sent again: its operator may let it in."""


@dataclass(frozen=True)
class StartTask:
    """The node to the session: this task is ours."""

    task: TaskId


@dataclass(frozen=True)
class TaskHangs:
    """The node to the session: this task does not come back; fail for this reason."""

    task: TaskId
    reason: str


@dataclass(frozen=True)
class TaskRestarts:
    """The session to the node: a task failed and begins again."""

    name: str


@dataclass(frozen=True)
class TaskSettled:
    """The session to the node: nothing is left to do for this task; its assignment may be acked."""

    task: TaskId


@dataclass(frozen=True)
class _FailureEnded:
    outcome: Outcome


class _SendFailure:
    """Send the failure again."""


class SessionActor(Supervisor):
    """Starts a task actor per assigned task; one_for_one, since tasks share nothing but journals.

    A poison batch, or more failures than the intensity allows, ends the session (and only this one)
    with a ``failed`` record on its out journal.
    """

    def __init__(
        self,
        parent: Parent,
        spec: SessionSpec,
        transport: Transport,
        clock: Clock,
        *,
        intensity: Intensity = SESSION_INTENSITY,
        backoff: Backoff | None = None,
        monitor: TaskMonitor | None = None,
        traceparent: str = "",
    ) -> None:
        """``traceparent``: of the trace that the session's tasks belong to, if there is one."""
        super().__init__(parent, clock, intensity, backoff)
        self.context = {"session": spec.id}
        self._traceparent = traceparent
        self._spec = spec
        self._monitor = monitor
        self._transport = transport
        self._outbox = Outbox(transport, clock)
        self._open: dict[str, TaskId] = {}
        self._failure: Record | None = None
        self._failure_stored = False
        self._log = log.bind(session=spec.id)

    def received(self, message: Any) -> None:
        """A task to start, or word of a task."""
        match message:
            case StartTask(task):
                self._start_task(task)
            case TaskDone(task):
                self.forget_child(task.producer)
                self._settle(task)
            case TaskOver(task, journal):
                self.forget_child(task.producer)
                self._journal_gone(journal)
            case TaskGivenUp(task, reason) | TaskHangs(task, reason):
                self.forget_child(task.producer)  # it has ended, or never will
                self._fail(reason)
            case _FailureEnded(outcome):
                self._failure_ended(outcome)
            case _SendFailure():
                self._send_failure()

    def restarting(self, name: str) -> None:
        """Let the node count it."""
        self.tell_parent(TaskRestarts(name))

    def gave_up(self, failure: ChildFailed) -> None:
        """Fail the session, not the node."""
        self._fail(f"{failure.child} failed too often; last reason: {failure.reason}")

    def poisoned(self, failure: ChildFailed) -> None:
        """Fail the session and name the batch."""
        self._fail(f"{failure.culprit} failed twice in {failure.child}: {failure.reason}")

    def _start_task(self, task: TaskId) -> None:
        if task.producer in self._open:
            return
        self._open[task.producer] = task
        if self._failure is None:
            self.start_child(
                task.producer,
                lambda parent: TaskActor.start(
                    parent,
                    self._spec,
                    task,
                    self._transport,
                    self.clock,
                    self._monitor,
                    self._traceparent,
                ),
            )
        elif self._failure_stored:
            self._settle(task)

    def _journal_gone(self, journal: str) -> None:
        """The session is over, or the journal of an open one was deleted.

        Only the gateway knows which, and deletes after the session's end is written: where it is,
        this failure comes second and changes nothing.
        """
        self._log.info("session.journal_gone", journal=journal)
        self._end_with(f"the broker lost {journal}: it was deleted, by hand or by a policy")

    def _settle(self, task: TaskId) -> None:
        self._open.pop(task.producer, None)
        self.tell_parent(TaskSettled(task))

    def _fail(self, reason: str) -> None:
        if self._failure is None:
            self._log.error("session.failed", reason=reason)
            self._end_with(reason)

    def _end_with(self, reason: str) -> None:
        if self._failure is not None:
            return
        for name in reversed(self.children):
            self.stop_child(name)
        producer = "+".join(sorted(self._open)) or "session"
        self._failure = Record("failed", "session", producer, 0, reason.encode())
        self._send_failure()

    def _send_failure(self) -> None:
        me: Ref = self.actor_ref
        assert self._failure is not None

        def ended(outcome: Outcome) -> None:
            tell(me, _FailureEnded(outcome))

        self._outbox.append(out_journal(self._spec.id), self._failure.message(), ended)
        crash_point("session.failure_sent")

    def _failure_ended(self, outcome: Outcome) -> None:
        if outcome in (Outcome.CONFIRMED, Outcome.RETURNED):
            # Only now: an assignment is acked after what it led to is confirmed.
            self._failure_stored = True
            crash_point("session.failure_confirmed")
            for task in list(self._open.values()):
                self._settle(task)
        else:
            me = self.actor_ref

            def again() -> None:
                tell(me, _SendFailure())

            self.clock.call_later(REFUSED_DELAY, again)
