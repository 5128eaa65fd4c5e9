"""The actor of one task: its journal in, the next journals out."""

from __future__ import annotations

import math
import time
from collections import deque
from dataclasses import dataclass, replace
from typing import Any

from coffeeshop.actors.attempts import AttemptJournal, JournalGone, RecordAnnounced, RetryDecided
from coffeeshop.actors.gaps import GapFinder, LookForGaps
from coffeeshop.actors.monitor import TaskMonitor
from coffeeshop.actors.supervised import Parent, Ref, SupervisedActor, tell
from coffeeshop.clock import Clock
from coffeeshop.crashpoints import crash_point
from coffeeshop.observability import tracing
from coffeeshop.observability.logs import get_logger
from coffeeshop.pipeline.abandoned import AbandonedUpload
from coffeeshop.pipeline.messages import Record, SessionSpec, TaskId, out_journal
from coffeeshop.pipeline.poison import RetryDecision
from coffeeshop.pipeline.repair import done
from coffeeshop.pipeline.task import Output, TaskCore
from coffeeshop.transport import (
    Delivery,
    Outcome,
    Reader,
    Transport,
    dropped_before,
    loss,
)
from coffeeshop.transport.outbox import Outbox, error_of

log = get_logger()
CREDIT = 4
"""Deliveries under way to a task: its mailbox never holds more."""
WINDOW = 8
"""Unconfirmed outputs above which a task takes no further input."""


@dataclass(frozen=True)
class TaskDone:
    """A task to its session: output and ends of stream are confirmed."""

    task: TaskId


@dataclass(frozen=True)
class TaskOver:
    """A task to its session: a journal is gone, so the session is over."""

    task: TaskId
    journal: str


@dataclass(frozen=True)
class TaskGivenUp:
    """A task to its session: attempt after attempt died; fail the session for this reason."""

    task: TaskId
    reason: str


@dataclass(frozen=True)
class _Ended:
    number: int
    outcome: Outcome


class TaskActor(SupervisedActor):
    """One incarnation is one attempt: it reads the journal from offset 0 and folds it."""

    def __init__(
        self,
        parent: Parent,
        spec: SessionSpec,
        task: TaskId,
        transport: Transport,
        clock: Clock,
        monitor: TaskMonitor | None = None,
        traceparent: str = "",
    ) -> None:
        super().__init__(parent)
        self._core = TaskCore(spec, task)
        self._traceparent = traceparent
        self._attempt = tracing.NO_SPAN
        self._about: dict[str, str | int] = {
            "session": task.session,
            "stage": task.stage,
            "partition": task.partition,
        }
        self.context = self._about
        self._task = task
        self._transport = transport
        self._outbox = Outbox(transport, clock)
        self._clock = clock
        self._monitor = monitor or TaskMonitor()
        self._attempts: AttemptJournal | None = None
        self._upload = AbandonedUpload()
        self._gaps: GapFinder | None = None
        self._said_done = False
        self._isolated = False
        self._announced: deque[tuple[str, Delivery]] = deque()
        self._reader: Reader | None = None
        self._next_output = 0
        self._pending: dict[int, Output] = {}
        self._credit_due = 0
        self._log = log.bind(**self._about)

    def started(self) -> None:
        """Claim the task where attempts do, then read the journal from its start."""
        restarts = self.parent.restarts if self.parent is not None else 0
        self._attempt = tracing.begin(
            "task attempt", {**self._about, "restarts": restarts}, parent=self._traceparent
        )
        if self._monitor.claims:
            me = self.actor_ref
            self._attempts = AttemptJournal(
                self._task,
                self._transport,
                self._clock,
                self._monitor.turnstile,
                lambda message: _ignore(tell(me, message)),
                self._monitor.repair_after,
            )
            self._attempts.begin()
        else:
            self._read()

    def stopped(self) -> None:
        """Stop reading and sending."""
        self._outbox.close()
        self._attempt.end(f"failed at {self.culprit}" if self._failed else "")
        self._monitor.ends(self)
        if self._attempts is not None:
            self._attempts.close()
        if self._reader is not None:
            self._reader.close()

    def handle(self, message: Any) -> None:
        """A delivery, the outcome of an output, or the end of the session."""
        match message:
            case Delivery():
                self._delivered(message)
            case _Ended(number, outcome):
                self._ended(number, outcome)
            case RecordAnnounced(turn):
                self._take_announced(turn)
            case RetryDecided(decision):
                self._decided(decision)
            case JournalGone(journal) if journal == self._task.journal and self._core.finished:
                pass  # the session ended by what this task gave
            case JournalGone(journal):
                self._over(journal)
            case LookForGaps() if self._gaps is not None:
                self._gaps.look()

    def _decided(self, decision: RetryDecision) -> None:
        if decision.give_up is not None:
            self.tell_parent(TaskGivenUp(self._task, decision.give_up))
            self.stop()
            return
        assert self._attempts is not None
        self._attempts.stop_reading()
        self._isolated = decision.isolate
        if decision.isolate:
            self._log.warning("task.isolated")
        self._read()

    def _read(self) -> None:
        me = self.actor_ref
        self._reader = self._transport.read(
            self._task.journal,
            0,
            CREDIT,
            on_delivery=lambda delivery: _ignore(tell(me, delivery)),
            on_gone=lambda: _ignore(tell(me, JournalGone(self._task.journal))),
        )
        if self._monitor.repair_after < math.inf:
            self._gaps = GapFinder(
                self._core,
                self._transport,
                self._clock,
                self._monitor.repair_after,
                lambda message: _ignore(tell(me, message)),
            )
            self._gaps.begin()
        crash_point("task.started")

    def _delivered(self, delivery: Delivery) -> None:
        if self._isolated and self._attempts is not None:
            self._announced.append((_name(delivery), delivery))
            if len(self._announced) == 1:
                self._attempts.announce(self._announced[0][0])
        else:
            self._take(delivery)

    def _take_announced(self, turn: object) -> None:
        assert self._attempts is not None
        self._take(self._announced.popleft()[1])
        self._attempts.committed(turn)
        if self._announced:
            self._attempts.announce(self._announced[0][0])

    def _take(self, delivery: Delivery) -> None:
        if dropped := dropped_before(delivery):
            self.tell_parent(TaskGivenUp(self._task, loss(self._task.journal, dropped)))
            self.stop()
            return
        self.culprit = f"entry {delivery.offset}"
        record = Record.of(delivery.message)
        self.culprit = record.id
        self._monitor.begins(self, self._task, record.id, self._clock.now())
        crash_point("task.before_feed")
        outputs = self._feed(record)
        if self._upload.observe(delivery, record):
            outputs.extend(self._core.abort_if_incomplete(self._upload.reason))
        if self._gaps is not None:
            requests = self._gaps.took(delivery, record)
            self._monitor.throughput.asked(self._task.stage, len(requests))
            outputs.extend(requests)
        crash_point("task.after_feed")
        self._monitor.ends(self)
        self._monitor.throughput.took(self._task.stage, len(record.body))
        self.culprit = None
        if record.kind == "eof":
            self._say_end(record)
        for output in outputs:
            self._give(output)
        self._credit_due += 1
        self._go_on()

    def _give(self, output: Output) -> None:
        self._next_output += 1
        self._pending[self._next_output] = self._dated(output)
        self._send(self._next_output)

    def _feed(self, record: Record) -> list[Output]:
        began, before = tracing.now(), self._core.finished
        outputs = self._core.feed(record)
        if self._core.finished and not before:
            rows = {"rows": self._core.rows, "records": len(outputs)}
            # Beside the attempt, not under it: an attempt that is killed never tells of itself.
            tracing.record("result built", {**self._about, **rows}, self._traceparent, began)
        return outputs

    def _dated(self, output: Output) -> Output:
        """What a session is told says when: of results, and of how far a task is."""
        if output.journal != out_journal(self._task.session):
            return output
        return replace(output, record=replace(output.record, at=time.time()))

    def _send(self, number: int) -> None:
        output = self._pending[number]
        me: Ref = self.actor_ref
        self._outbox.append(
            output.journal,
            output.record.message(),
            lambda outcome: _ignore(tell(me, _Ended(number, outcome))),
        )
        crash_point("task.output_sent")

    def _ended(self, number: int, outcome: Outcome) -> None:
        if outcome is Outcome.CONFIRMED:
            crash_point("task.output_confirmed")
            self._pending.pop(number, None)
            self._go_on()
        elif outcome is Outcome.RETURNED:
            self._over(self._pending[number].journal)
        else:
            output = self._pending[number]
            reason = str(error_of(outcome, output.journal, output.record.message()))
            self.tell_parent(TaskGivenUp(self._task, reason))
            self.stop()

    def _go_on(self) -> None:
        if self._core.finished and not self._pending and self._gaps and not self._said_done:
            self._said_done = True
            self._give(Output(out_journal(self._task.session), done(self._task)))
        elif self._core.finished and not self._pending:
            self._log.info("task.done", rows=self._core.rows)
            crash_point("task.before_done")
            self.tell_parent(TaskDone(self._task))
            self.stop()
        elif self._credit_due and len(self._pending) < WINDOW and self._reader is not None:
            due, self._credit_due = self._credit_due, 0
            self._reader.credit(due)

    def _over(self, journal: str) -> None:
        self.tell_parent(TaskOver(self._task, journal))
        self.stop()

    def _say_end(self, record: Record) -> None:
        self._log.info(
            "eof_protocol.end_of_stream",
            table=record.stream,
            producer=record.producer,
            batches=record.number,
        )
        waiting = self._core.waiting()
        if waiting:
            self._log.debug(
                "eof_protocol.still_waiting",
                waiting=[
                    f"{w.stream}/{w.producer}"
                    + ("" if w.missing is None else f" for {w.missing} batches")
                    for w in waiting
                ],
            )
        else:
            self._log.info("eof_protocol.task_complete")


def _name(delivery: Delivery) -> str:
    headers = delivery.message.headers
    parts = [str(headers.get(part, "?")) for part in ("stream", "producer", "number")]
    return f"{headers.get('kind', 'entry')} {'/'.join(parts)}"


def _ignore(_: bool) -> None:
    """Word to an actor that has ended is lost, and meant to be."""
