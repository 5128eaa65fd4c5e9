"""A session's out journal folded into its one terminal event.

The terminal event is the first of {the record that completes the results, a ``failed`` record} in
the journal's order, so everybody who reads the journal sees the same one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress
from dataclasses import dataclass

import pyarrow as pa

from coffeeshop.codec import decode, digest
from coffeeshop.errors import (
    Cancelled,
    CoffeeshopError,
    JournalGone,
    SessionFailed,
    SessionTimeout,
)
from coffeeshop.formats import warnings_of
from coffeeshop.observability.logs import get_logger
from coffeeshop.pipeline.messages import Record, SessionSpec, out_journal
from coffeeshop.pipeline.plan import plan_named
from coffeeshop.pipeline.progress import Ledger
from coffeeshop.transport import Delivery, Following, Transport

log = get_logger()
CREDIT = 16
PROBE = "probe"
"""The stream of notes that tell nothing: see `coffeeshop.gateway.answers.probe`."""


@dataclass(frozen=True)
class Completed:
    """The session's results by query name, and what is odd about them."""

    tables: dict[str, pa.Table]
    warnings: tuple[str, ...]


@dataclass(frozen=True)
class Failed:
    """The session's one explicit failure. ``state``: failed, cancelled or aborted."""

    reason: str
    state: str = "failed"


Terminal = Completed | Failed
ENDED_BY_GATEWAY = ("cancelled", "aborted")
"""Streams of ``failed`` records that a gateway writes; the nodes' have the stream ``session``."""


class ResultFold:
    """Records of one out journal in, at most one terminal event out. Not thread-safe.

    Keeps the bodies of the results named in ``keep`` (all of them by default). Of the others it
    keeps digests: enough to know the terminal event, in little memory.
    """

    def __init__(self, spec: SessionSpec, keep: Iterable[str] | None = None) -> None:
        plan = plan_named(spec.plan)
        self._keep = frozenset(plan.results if keep is None else keep)
        self._ledgers = {
            stream: Ledger({stream: plan.producers(stream, spec)}) for stream in plan.results
        }
        self._pieces: dict[str, dict[int, bytes]] = {stream: {} for stream in plan.results}
        self._digests: dict[str, str] = {}
        self.terminal: Terminal | None = None

    @property
    def complete(self) -> list[str]:
        """The queries whose results are all there."""
        return [stream for stream, ledger in self._ledgers.items() if ledger.complete]

    def feed(self, record: Record) -> Terminal | None:
        """Take the next record; the terminal event when this record brought it."""
        if self.terminal is not None or record.kind in ("note", "claim"):
            return None
        if record.kind == "failed":
            state = record.stream if record.stream in ENDED_BY_GATEWAY else "failed"
            self.terminal = Failed(record.body.decode(errors="replace"), state)
            return self.terminal
        ledger = self._ledgers[record.stream]
        if record.kind == "eof":
            ledger.end(record.stream, record.producer, record.number)
        elif ledger.admit(record.stream, record.producer, record.number):
            self._digests[record.id] = digest(record.body)
            if record.stream in self._keep:
                self._pieces[record.stream][record.number] = record.body
        elif self._digests[record.id] != digest(record.body):
            # Two attempts that disagree: the answers are canonical, so one of them is wrong.
            self.terminal = Failed(f"two attempts at a task gave different results for {record.id}")
            return self.terminal
        if len(self.complete) == len(self._ledgers):
            self.terminal = self._completed()
            return self.terminal
        return None

    def table(self, stream: str) -> pa.Table:
        """A kept and complete result."""
        pieces = self._pieces[stream]
        return pa.Table.from_batches([decode(pieces[n]) for n in sorted(pieces)])

    def _completed(self) -> Completed:
        tables = {stream: self.table(stream) for stream in self._pieces if stream in self._keep}
        return Completed(tables, warnings_of(tables))


def failure(failed: Failed) -> CoffeeshopError:
    """The exception that says it: `Cancelled` or `SessionFailed`."""
    return Cancelled(failed.reason) if failed.state == "cancelled" else SessionFailed(failed.reason)


class Follower:
    """Reads a session's out journal in the background until its terminal event."""

    def __init__(
        self,
        transport: Transport,
        spec: SessionSpec,
        on_complete: Callable[[str], None] = lambda query: None,
    ) -> None:
        """``on_complete`` is called from the transport's thread as each query's result arrives."""
        self._fold = ResultFold(spec)
        self._spec = spec
        self._on_complete = on_complete
        self._told: set[str] = set()
        self._terminal: Future[Terminal] = Future()
        self._following = Following(
            transport, out_journal(spec.id), self._deliver, self._gone, window=CREDIT
        )

    @property
    def session(self) -> str:
        """Whose events it follows."""
        return self._spec.id

    @property
    def ended(self) -> bool:
        """Whether the terminal event came."""
        return self._terminal.done()

    def abandon(self, error: CoffeeshopError) -> None:
        """There will be no terminal event: let `result` raise this instead. From any thread."""
        with suppress(InvalidStateError):  # it came just now
            self._terminal.set_exception(error)

    def result(self, timeout: float | None = None, given: float | None = None) -> Completed:
        """Wait for the results. Raises `SessionFailed`, or `SessionTimeout` after ``timeout`` s.

        ``given``: the seconds that the caller had from the beginning, for the message.
        """
        try:
            terminal = self._terminal.result(timeout)
        except TimeoutError:
            seconds = timeout if given is None else given
            raise SessionTimeout(
                f"the session {self._spec.id} did not end within {seconds:g} s"
            ) from None
        finally:
            self._following.close()
        if isinstance(terminal, Failed):
            raise failure(terminal)
        return terminal

    def _deliver(self, delivery: Delivery) -> bool:
        try:
            terminal = self._fold.feed(Record.of(delivery.message))
        except (CoffeeshopError, KeyError) as error:
            terminal = Failed(f"the results cannot be read: {error}")
        for query in self._fold.complete:
            if query not in self._told:
                self._told.add(query)
                self._on_complete(query)
        if terminal is not None:
            log.info(
                "eof_protocol.session_completed",
                session=self._spec.id,
                outcome=type(terminal).__name__.lower(),
            )
            with suppress(InvalidStateError):  # abandoned just now
                self._terminal.set_result(terminal)
        return terminal is None

    def _gone(self) -> None:
        self.abandon(JournalGone(f"the session {self._spec.id} was deleted"))
