"""The actor of one task: its journal in, the next journals out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import structlog

from coffeeshop.actors.clock import Clock
from coffeeshop.actors.supervision import Parent, Ref, SupervisedActor, tell
from coffeeshop.messages import Record, SessionSpec, TaskId
from coffeeshop.task import Output, TaskCore
from coffeeshop.transport import Delivery, Outcome, Reader, Transport

log = structlog.get_logger()
CREDIT = 4
"""Deliveries under way to a task: its mailbox never holds more."""
WINDOW = 8
"""Unconfirmed outputs above which a task takes no further input."""
RESEND_DELAY = 0.2


@dataclass(frozen=True)
class TaskDone:
    """A task to its session: output and ends of stream are confirmed."""

    task: TaskId


@dataclass(frozen=True)
class TaskOver:
    """A task to its session: a journal is gone, so the session is over."""

    task: TaskId


@dataclass(frozen=True)
class _Ended:
    number: int
    outcome: Outcome


@dataclass(frozen=True)
class _Resend:
    number: int


class _Gone:
    """The task's journal does not exist."""


class TaskActor(SupervisedActor):
    """One incarnation is one attempt: it reads the journal from offset 0 and folds it."""

    def __init__(
        self, parent: Parent, spec: SessionSpec, task: TaskId, transport: Transport, clock: Clock
    ) -> None:
        super().__init__(parent)
        self._core = TaskCore(spec, task)
        self._task = task
        self._transport = transport
        self._clock = clock
        self._reader: Reader | None = None
        self._next_output = 0
        self._pending: dict[int, Output] = {}
        self._credit_due = 0
        self._log = log.bind(session=task.session, stage=task.stage, partition=task.partition)

    def started(self) -> None:
        """Begin to read the journal from its start."""
        me = self.actor_ref
        self._reader = self._transport.read(
            self._task.journal,
            0,
            CREDIT,
            on_delivery=lambda delivery: _ignore(tell(me, delivery)),
            on_gone=lambda: _ignore(tell(me, _Gone())),
        )

    def stopped(self) -> None:
        """Stop reading."""
        if self._reader is not None:
            self._reader.close()

    def handle(self, message: Any) -> None:
        """A delivery, the outcome of an output, or the end of the session."""
        match message:
            case Delivery():
                self._take(message)
            case _Ended(number, outcome):
                self._ended(number, outcome)
            case _Resend(number):
                self._send(number)
            case _Gone():
                self._over()

    def _take(self, delivery: Delivery) -> None:
        self.culprit = f"entry {delivery.offset}"
        record = Record.of(delivery.message)
        self.culprit = record.id
        outputs = self._core.feed(record)
        self.culprit = None
        if record.kind == "eof":
            self._say_end(record)
        for output in outputs:
            self._next_output += 1
            self._pending[self._next_output] = output
            self._send(self._next_output)
        self._credit_due += 1
        self._go_on()

    def _send(self, number: int) -> None:
        output = self._pending[number]
        me: Ref = self.actor_ref
        self._transport.append(
            output.journal,
            output.record.message(),
            lambda outcome: _ignore(tell(me, _Ended(number, outcome))),
        )

    def _ended(self, number: int, outcome: Outcome) -> None:
        if outcome is Outcome.CONFIRMED:
            self._pending.pop(number, None)
            self._go_on()
        elif outcome is Outcome.RETURNED:
            self._over()
        else:
            me = self.actor_ref
            # The same id again: whoever has it drops the repeat.
            self._clock.call_later(RESEND_DELAY, lambda: _ignore(tell(me, _Resend(number))))

    def _go_on(self) -> None:
        if self._core.finished and not self._pending:
            self._log.info("task.done", rows=self._core.rows)
            self.tell_parent(TaskDone(self._task))
            self.stop()
        elif self._credit_due and len(self._pending) < WINDOW and self._reader is not None:
            due, self._credit_due = self._credit_due, 0
            self._reader.credit(due)

    def _over(self) -> None:
        self.tell_parent(TaskOver(self._task))
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


def _ignore(_: bool) -> None:
    """Word to an actor that has ended is lost, and meant to be."""
