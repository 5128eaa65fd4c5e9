"""Records of an out journal that are read a second time, and what a broker no longer has."""

from __future__ import annotations

from concurrent.futures import Future, InvalidStateError
from contextlib import suppress

from coffeeshop.clock import Clock
from coffeeshop.errors import CoffeeshopError, JournalGone, SessionFailed, SessionTimeout
from coffeeshop.pipeline.messages import Record
from coffeeshop.transport import Delivery, JournalSubscription, Transport, loss

CREDIT = 16
PROBE_AFTER = 2.0
"""Seconds without any record of a journal that is known to hold some."""


class Reread:
    """A second reading of known offsets of a journal, for bodies that were not kept."""

    def __init__(self, transport: Transport, journal: str, offsets: set[int], clock: Clock) -> None:
        self._wanted = set(offsets)
        self._found: dict[int, bytes] = {}
        self._journal = journal
        self._done: Future[None] = Future()
        self._following = JournalSubscription(
            transport, journal, self._deliver, self._gone, offset=min(offsets), window=CREDIT
        )
        clock.call_later(PROBE_AFTER, lambda: self._probe(transport))

    def bodies(self, timeout: float) -> dict[int, bytes]:
        """The bodies by offset. Raises as `SessionOutcome.table` does."""
        try:
            self._done.result(timeout)
        except TimeoutError:
            raise SessionTimeout(
                f"the broker did not deliver {self._journal} within {timeout:g} s"
            ) from None
        finally:
            self._following.close()
        return self._found

    def _deliver(self, delivery: Delivery) -> bool:
        if (first := min(self._wanted)) < delivery.offset:
            self._fail(SessionFailed(loss(self._journal, delivery.offset - first)))
            return False
        if delivery.offset in self._wanted:
            self._wanted.remove(delivery.offset)
            self._found[delivery.offset] = delivery.message.body
        if not self._wanted:
            self._done.set_result(None)
        return bool(self._wanted)

    def _gone(self) -> None:
        self._fail(JournalGone(f"the results in {self._journal} were deleted"))

    def _fail(self, error: CoffeeshopError) -> None:
        with suppress(InvalidStateError):
            self._done.set_exception(error)

    def _probe(self, transport: Transport) -> None:
        if not self._found and not self._done.done():
            probe(transport, self._journal)


def probe(transport: Transport, journal: str) -> None:
    """Write a record that means nothing: its offset tells a reader what was dropped before it."""
    transport.append(journal, Record("probe", "", "gateway", 0).message(), lambda outcome: None)
