"""One result of a session read from its out journal."""

from __future__ import annotations

import threading

import pyarrow as pa

from coffeeshop.errors import JournalGone, SessionTimeout
from coffeeshop.gateway.results import Failed as FailedTerminal
from coffeeshop.gateway.results import ResultFold, failure
from coffeeshop.messages import Record, SessionSpec, out_journal
from coffeeshop.transport import Delivery, Following, Transport

CREDIT = 16


def read_result(transport: Transport, spec: SessionSpec, query: str, timeout: float) -> pa.Table:
    """Wait for one query's result and return it. Blocks; call it from a worker thread.

    Raises `SessionFailed` or `Cancelled` when the session ended so before the result was there,
    `JournalGone` when the results expired, `SessionTimeout` after ``timeout`` seconds.
    """
    fold = ResultFold(spec, keep=(query,))
    ended = threading.Event()
    errors: list[Exception] = []

    def deliver(delivery: Delivery) -> bool:
        try:
            fold.feed(Record.of(delivery.message))
        except Exception as error:  # noqa: BLE001 - raised in the caller's thread below
            errors.append(error)
        if errors or query in fold.complete or fold.terminal is not None:
            ended.set()
        return not ended.is_set()

    def gone() -> None:
        errors.append(JournalGone(f"the results of {spec.id} were deleted"))
        ended.set()

    following = Following(transport, out_journal(spec.id), deliver, gone, window=CREDIT)
    try:
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
