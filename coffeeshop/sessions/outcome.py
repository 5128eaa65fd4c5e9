"""What a session's out journal says: read once per replica, told to all that ask.

`Outcomes` has one `SessionOutcome` per session. Server-sent events, downloads of results and the
watch of the session's end all hear of the same reading, and so of the same end.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress
from dataclasses import replace

import pyarrow as pa
from cachetools import LRUCache

from coffeeshop.clock import Clock
from coffeeshop.codec import decode
from coffeeshop.errors import CoffeeshopError, JournalGone, SessionTimeout
from coffeeshop.formats import warnings_of
from coffeeshop.names import error_of
from coffeeshop.observability.logs import get_logger
from coffeeshop.pipeline.messages import SessionSpec, out_journal
from coffeeshop.pipeline.plan import plan_of
from coffeeshop.sessions.events import End
from coffeeshop.sessions.reread import PROBE_AFTER, Reread, probe
from coffeeshop.sessions.results import (
    Completed,
    EventTranslator,
    Found,
    Pieces,
    Update,
)
from coffeeshop.transport import Delivery, JournalSubscription, Transport

log = get_logger()
CREDIT = 16
REREAD_TIMEOUT = 60.0
"""Seconds in which the broker delivers results that were read before."""
ENDED = 4096
"""Sessions whose events stay in memory after their end."""
PIECES_BYTES = 64 << 20
"""Bytes of results that stay in memory; others are read again."""


class Subscription:
    """Calls ``on_update`` for each update behind an offset, one at a time and in order.

    From the thread that subscribes for those there are, from the transport's for later ones; with
    no lock held. The callbacks must not block.
    """

    def __init__(
        self,
        outcome: SessionOutcome,
        after: int,
        on_update: Callable[[Update], None],
        on_gone: Callable[[], None],
    ) -> None:
        self._outcome = outcome
        self._after = after
        self._on_update = on_update
        self._on_gone = on_gone
        self._next = 0
        self._is_open = True
        self._lock = threading.Lock()
        self._under_way = False

    def close(self) -> None:
        """Hear nothing more; an update under way may still arrive."""
        self._is_open = False
        self._outcome.unsubscribe(self)

    def pump(self) -> None:
        """Pass on what came meanwhile, unless another thread does so already."""
        while (call := self._due()) is not None:
            try:
                call()
            finally:
                with self._lock:
                    self._under_way = False

    def _due(self) -> Callable[[], None] | None:
        with self._lock:
            if self._under_way or not self._is_open:
                return None
            update = self._outcome.update(self._next)
            if update is None:
                return None
            self._under_way = True
            self._next += 1
        if isinstance(update, JournalGone):
            self._is_open = False
            return self._on_gone
        if update.offset is not None and update.offset <= self._after:
            update = Update(update.offset, (), is_last=update.is_last)
        return lambda: self._on_update(update)


class SessionOutcome:
    """One session's out journal, read from its start to the session's end. Thread-safe."""

    def __init__(
        self,
        transport: Transport,
        spec: SessionSpec,
        clock: Clock,
        pieces: Pieces | None = None,
        wall: Callable[[], float] = time.time,
        on_said: Callable[[SessionSpec, Update], None] = lambda spec, update: None,
    ) -> None:
        """Reads from now on. Without ``pieces`` all batches of results stay in memory.

        ``wall``: seconds since 1970, for records that do not say when they were written.
        ``on_said`` is called with each update, from the transport's thread.
        """
        self.spec = spec
        self._transport = transport
        self._journal = out_journal(spec.id)
        self._clock = clock
        self._wall = wall
        self._on_said = on_said
        self._pieces = pieces or Pieces()
        self._translator = EventTranslator(spec, self._pieces)
        self._changed = threading.Condition()
        self._updates: list[Update] = []
        self._gone: JournalGone | None = None
        self._found = Found({})
        self._is_heard = False
        self._is_expected = False
        self._subscriptions: tuple[Subscription, ...] = ()
        self._end: Future[End] = Future()
        self._following = JournalSubscription(
            transport, self._journal, self._deliver, self._deleted, window=CREDIT
        )

    @property
    def found(self) -> Found:
        """What the journal holds so far."""
        return self._found

    @property
    def complete(self) -> list[str]:
        """The queries whose results are all there."""
        return list(self._found.times)

    @property
    def ended(self) -> End | None:
        """How the session ended, once nothing more will be heard."""
        if not self.is_over:
            return None
        terminal, found = self._translator.terminal, self._found
        if terminal is None:
            return End("failed", "the broker lost the session's journal")
        return replace(terminal, result_times=found.times, result_bytes=found.bytes)

    @property
    def is_over(self) -> bool:
        """Whether nothing more will be heard."""
        return self._end.done()

    def subscribe(
        self,
        on_update: Callable[[Update], None],
        on_gone: Callable[[], None] = lambda: None,
        *,
        after: int = -1,
    ) -> Subscription:
        """Hear of every update whose offset is above ``after``: past ones now, others as they come.

        The last one has ``is_last``, or ``on_gone`` is called: the journal was deleted before.
        """
        subscription = Subscription(self, after, on_update, on_gone)
        with self._changed:
            self._subscriptions = (*self._subscriptions, subscription)
        subscription.pump()
        return subscription

    def unsubscribe(self, subscription: Subscription) -> None:
        """See `Subscription.close`."""
        with self._changed:
            left = [each for each in self._subscriptions if each is not subscription]
            self._subscriptions = tuple(left)

    def update(self, number: int) -> Update | JournalGone | None:
        """The n-th update; behind the last one, whether the journal is gone."""
        with self._changed:
            return self._updates[number] if number < len(self._updates) else self._gone

    def on_end(self, call: Callable[[SessionOutcome], None]) -> None:
        """Call it once nothing more will be heard, perhaps at once; from the transport's thread."""
        self._end.add_done_callback(lambda _: call(self))

    def end(self, timeout: float | None = None, given: float | None = None) -> End:
        """Wait for the session's end.

        Raises `JournalGone` when the journal is deleted before, what `abandon` was given, and
        `SessionTimeout` after ``timeout`` seconds. ``given``: the seconds that the caller had from
        the beginning, for the message.
        """
        try:
            return self._end.result(timeout)
        except TimeoutError:
            seconds = timeout if given is None else given
            raise SessionTimeout(
                f"the session {self.spec.id} did not end within {seconds or 0:g} s"
            ) from None

    def abandon(self, error: CoffeeshopError) -> None:
        """There will be no end: let `end` raise this instead. From any thread."""
        with suppress(InvalidStateError):  # it came just now
            self._end.set_exception(error)
        with self._changed:
            self._changed.notify_all()

    def close(self) -> None:
        """Stop reading."""
        self._following.close()

    def expect(self) -> None:
        """The journal is known to hold records: find out if the broker dropped them all.

        It has nothing to deliver then, and no way to say so. The offset of a record that means
        nothing, written after `PROBE_AFTER` seconds of silence, tells it.
        """
        with self._changed:
            if self._is_expected or self._is_heard:
                return
            self._is_expected = True
        self._clock.call_later(PROBE_AFTER, self._probe)

    def table(self, query: str, timeout: float) -> pa.Table:
        """Wait for one query's result and return it. Blocks; call it from a worker thread.

        Raises `SessionFailed` or `Cancelled` when the session ended so before the result was
        there, `JournalGone` when the results expired, `SessionTimeout` after ``timeout`` seconds.
        """
        deadline = time.monotonic() + timeout
        with self._changed:
            self._changed.wait_for(lambda: query in self._found.times or self._end.done(), timeout)
            there = query in self._found.times
        if not there:
            if not self._end.done():
                raise SessionTimeout(
                    f"the broker did not deliver {query} of {self.spec.id} within {timeout:g} s"
                )
            raise _error_of(self._end.result())
        offsets = self._translator.offsets[query]
        kept = {number: self._pieces.get(self.spec.id, query, number) for number in offsets}
        bodies = {number: body for number, body in kept.items() if body is not None}
        lacking = {offset: number for number, offset in offsets.items() if number not in bodies}
        if lacking:
            read = Reread(self._transport, self._journal, set(lacking), self._clock)
            found = read.bodies(max(0.0, deadline - time.monotonic()))
            bodies |= {lacking[offset]: body for offset, body in found.items()}
        return pa.Table.from_batches([decode(bodies[number]) for number in sorted(bodies)])

    def completed(self, timeout: float | None = None, given: float | None = None) -> Completed:
        """Wait for the results and what they warn of.

        Raises as `end` does, and `SessionFailed` or `Cancelled`.
        """
        end = self.end(timeout, given)
        if end.state != "completed":
            raise _error_of(end)
        tables = {query: self.table(query, REREAD_TIMEOUT) for query in plan_of(self.spec).results}
        return Completed(tables, warnings_of(tables))

    def _deliver(self, delivery: Delivery) -> bool:
        update = self._translator.update_of(delivery, self._wall())
        with self._changed:
            self._is_heard = True
            self._found = self._translator.found
            if update.events or update.said is not None:
                self._updates.append(update)
            self._changed.notify_all()
        self._on_said(self.spec, update)
        self._tell()
        terminal = self._translator.terminal
        if terminal is not None:
            log.info("eof_protocol.session_completed", session=self.spec.id, outcome=terminal.state)
            with suppress(InvalidStateError):  # abandoned just now
                self._end.set_result(terminal)
            with self._changed:
                self._changed.notify_all()
        return terminal is None

    def _deleted(self) -> None:
        with self._changed:
            self._gone = JournalGone(f"the session {self.spec.id} was deleted")
        self._tell()
        self.abandon(self._gone)

    def _tell(self) -> None:
        for subscription in self._subscriptions:
            subscription.pump()

    def _probe(self) -> None:
        if not self._is_heard and not self.is_over:
            probe(self._transport, self._journal)


class Outcomes:
    """The outcomes of all sessions on this replica. Thread-safe."""

    def __init__(
        self,
        transport: Transport,
        clock: Clock,
        wall: Callable[[], float] = time.time,
        on_said: Callable[[SessionSpec, Update], None] = lambda spec, update: None,
    ) -> None:
        """``on_said``: see `SessionOutcome`."""
        self._transport = transport
        self._clock = clock
        self._wall = wall
        self._on_said = on_said
        self._lock = threading.Lock()
        self._open: dict[str, SessionOutcome] = {}
        self._ended: LRUCache[str, SessionOutcome] = LRUCache(ENDED)
        self._pieces = Pieces(PIECES_BYTES)

    def of(self, spec: SessionSpec) -> SessionOutcome:
        """The session's outcome, which is being read from now on if it was not before."""
        with self._lock:
            known = self._open.get(spec.id) or self._ended.get(spec.id)
            if known is not None:
                return known
            made = SessionOutcome(
                self._transport, spec, self._clock, self._pieces, self._wall, self._on_said
            )
            self._open[spec.id] = made
        made.on_end(self._over)
        return made

    def known(self, session: str) -> SessionOutcome | None:
        """The session's outcome, if it is or was read."""
        with self._lock:
            return self._open.get(session) or self._ended.get(session)

    def forget(self, session: str) -> None:
        """The session and its results are gone."""
        with self._lock:
            known = self._open.pop(session, None)
            self._ended.pop(session, None)
        if known is not None:
            known.close()

    def close(self) -> None:
        """Stop reading."""
        with self._lock:
            all_open = list(self._open.values())
            self._open.clear()
        for each in all_open:
            each.close()

    def _over(self, outcome: SessionOutcome) -> None:
        with self._lock:
            if self._open.pop(outcome.spec.id, None) is not None:
                self._ended[outcome.spec.id] = outcome


def _error_of(end: End) -> CoffeeshopError:
    error = error_of(end.state, end.reason)
    assert error is not None, "a session completes with its results"
    return error
