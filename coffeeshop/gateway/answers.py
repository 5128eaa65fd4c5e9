"""One result of a session read from its out journal."""

from __future__ import annotations

import threading

import pyarrow as pa

from coffeeshop.errors import JournalGone, SessionFailed, SessionTimeout
from coffeeshop.pipeline.messages import Record, SessionSpec, out_journal
from coffeeshop.sessions.results import PROBE, ResultFold, failure
from coffeeshop.sessions.results import Failed as FailedTerminal
from coffeeshop.transport import Delivery, Following, Transport, dropped_before, loss

CREDIT = 16
PROBE_DELAY = 2.0
"""Seconds without any record of a journal that is known to hold some."""


def probe(transport: Transport, spec: SessionSpec) -> None:
    """Write a record that means nothing, for a reader of a journal that seems to be empty.

    A broker that dropped everything has nothing to deliver, and no way to say so; the offset of
    this record tells it.
    """
    record = Record("note", PROBE, "gateway", 0, b"{}").message()
    transport.append(out_journal(spec.id), record, lambda outcome: None)


def read_result(transport: Transport, spec: SessionSpec, query: str, timeout: float) -> pa.Table:
    """Wait for one query's result and return it. Blocks; call it from a worker thread.

    Raises `SessionFailed` or `Cancelled` when the session ended so before the result was there,
    `JournalGone` when the results expired, `SessionTimeout` after ``timeout`` seconds.
    """
    fold = ResultFold(spec, keep=(query,))
    ended = threading.Event()
    errors: list[Exception] = []
    journal = out_journal(spec.id)
    heard = threading.Event()

    def deliver(delivery: Delivery) -> bool:
        heard.set()
        if dropped := dropped_before(delivery):
            errors.append(SessionFailed(loss(journal, dropped)))
            ended.set()
            return False
        try:
            fold.feed(Record.of(delivery.message))
        except Exception as error:  # noqa: BLE001 - raised in the caller's thread below
            errors.append(error)
        if errors or query in fold.complete or fold.terminal is not None:
            ended.set()
        return not ended.is_set()

    def gone() -> None:
        heard.set()
        errors.append(JournalGone(f"the results of {spec.id} were deleted"))
        ended.set()

    following = Following(transport, journal, deliver, gone, window=CREDIT)
    try:
        if not heard.wait(min(PROBE_DELAY, timeout)) and not ended.is_set():
            probe(transport, spec)
        if not ended.wait(timeout):
            raise SessionTimeout(
                f"the broker did not deliver {query} of {spec.id} within {timeout:g} s"
            )
    finally:
        following.close()
    if errors:
        raise errors[0]
    if isinstance(fold.terminal, FailedTerminal):
        raise failure(fold.terminal)
    return fold.table(query)
