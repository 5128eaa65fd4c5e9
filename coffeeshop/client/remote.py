"""An analysis by a gateway: upload with a window, follow the events, fetch the results."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, InvalidStateError, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from contextvars import copy_context
from dataclasses import dataclass, replace
from typing import Any

import pyarrow as pa

from coffeeshop.client.gateway import GatewayClient
from coffeeshop.client.left_out import LeftOut, bad_row, file_in
from coffeeshop.client.resend import Resender
from coffeeshop.client.sse import Event
from coffeeshop.client.upload import OnProgress, Uploaded, upload
from coffeeshop.crashpoints import crash_point
from coffeeshop.errors import (
    BadData,
    Cancelled,
    CoffeeshopError,
    SessionFailed,
    SessionTimeout,
    Unreachable,
)
from coffeeshop.formats import from_arrow, warnings_of
from coffeeshop.names import error_of
from coffeeshop.observability import tracing
from coffeeshop.observability.logs import get_logger
from coffeeshop.pipeline.messages import SessionSpec
from coffeeshop.pipeline.plan import plan_named, plan_of
from coffeeshop.reading.folder import DataFolder

log = get_logger()
SENDERS = 3
"""Batches under way to the gateway at once."""
HEARTBEAT = 10.0
"""Seconds between two signs of life, unless the gateway wants them sooner."""
REASON_TIMEOUT = 30.0
"""Seconds in which the events are to tell the end of a session that takes no input any more."""
CANCEL_PATIENCE, LAST_PATIENCE = 5.0, 1.0
"""Seconds to say that one leaves; the second one when all time is used up."""
OPENINGS = 3
"""Ids tried for a session whose id the caller did not choose."""


class HttpSink:
    """`upload.Sink` over HTTP: a few threads send, each until its batch is stored."""

    def __init__(self, client: GatewayClient, session: str, follower: RemoteFollower) -> None:
        """``follower`` hears how the session ends."""
        self._client = client
        self._session = session
        self._follower = follower
        self._pool = ThreadPoolExecutor(SENDERS, "send")
        self._stop = threading.Event()

    def batch(self, table: str, producer: str, number: int, body: bytes) -> Future[None]:
        """Send a batch; done when it is stored."""
        return self._submit(self._batch, table, producer, number, body)

    def end(
        self, table: str, producer: str, count: int, left_out: LeftOut | None = None
    ) -> Future[None]:
        """Send the end of a table, and what was left out of it."""
        return self._submit(self._end, table, producer, count, left_out)

    def _submit(self, work: Callable[..., None], *args: Any) -> Future[None]:
        # With the caller's context: the trace that it works under.
        return self._pool.submit(copy_context().run, work, *args)

    def _batch(self, table: str, producer: str, number: int, body: bytes) -> None:
        with self._unless_completed():
            self._client.put_batch(self._session, table, producer, number, body, self._stop)
        crash_point("client.batch_answered")

    def _end(self, table: str, producer: str, count: int, left_out: LeftOut | None) -> None:
        with self._unless_completed():
            self._client.end_table(
                self._session, table, producer, count, self._stop, left_out=left_out
            )
        crash_point("client.table_answered")

    @contextmanager
    def _unless_completed(self) -> Iterator[None]:
        """Take a refusal because the session is over as the events tell of its end.

        A session that completed had everything: a call was answered, the answer lost, and the call
        repeated too late. Of every other end the events know the reason.
        """
        try:
            yield
        except (Cancelled, SessionFailed) as refusal:
            try:
                self._follower.result(REASON_TIMEOUT)
            except SessionTimeout:
                raise refusal from None

    def close(self) -> None:
        """Wait for the answers to what is under way; send nothing more, and nothing again."""
        self._stop.set()
        self._pool.shutdown(wait=True, cancel_futures=True)


@dataclass(frozen=True)
class End:
    """How a session ended."""

    name: str
    reason: str = ""


class RemoteFollower:
    """Follows a session's events on a thread, and says that its client is there meanwhile."""

    def __init__(
        self,
        client: GatewayClient,
        session: str,
        on_event: Callable[[Event], None] = lambda event: None,
        heartbeat: float | None = HEARTBEAT,
    ) -> None:
        """``on_event`` is called from the follower's thread; ``heartbeat`` in seconds, None for who
        only looks on.
        """
        self._client = client
        self._session = session
        self._listeners: tuple[Callable[[Event], None], ...] = (on_event,)
        self._heartbeat = heartbeat
        self._end: Future[End] = Future()
        self._closed = threading.Event()
        works = [self._follow] if heartbeat is None else [self._follow, self._beat]
        for work in works:
            threading.Thread(target=work, name=work.__name__.strip("_"), daemon=True).start()

    @property
    def ended(self) -> bool:
        """Whether the session's end was heard of (or can no longer be)."""
        return self._end.done()

    def listen(self, on_event: Callable[[Event], None]) -> None:
        """Tell ``on_event`` too, of events that come from now on."""
        self._listeners = (*self._listeners, on_event)

    def close(self) -> None:
        """No more heartbeats. The thread that follows ends with the process or the session."""
        self._closed.set()

    def abandon(self, error: Exception) -> None:
        """Let `result` raise this instead of what the session ends in. From any thread."""
        with suppress(InvalidStateError):  # it has ended
            self._end.set_exception(error)

    def result(self, timeout: float | None = None, given: float | None = None) -> None:
        """Wait for the completion. Raises what the session ended in, or `SessionTimeout`.

        ``given``: the seconds that the caller had from the beginning, for the message.
        """
        try:
            end = self._end.result(timeout)
        except TimeoutError:
            raise late(self._session, timeout if given is None else given) from None
        if (error := error_of(end.name, end.reason)) is not None:
            raise error

    def _follow(self) -> None:
        try:
            for event in self._client.events(self._session):
                for listener in self._listeners:
                    listener(event)
                last = event
            end = End(last.name, str(last.data.get("reason", "")))
            with suppress(InvalidStateError):  # abandoned before
                self._end.set_result(end)
        except Exception as error:  # noqa: BLE001 - raised where the result is waited for
            self.abandon(error)

    def _beat(self) -> None:
        assert self._heartbeat is not None
        while not self._closed.wait(self._heartbeat) and not self.ended:
            try:
                self._client.heartbeat(self._session)
            except Unreachable as error:
                log.warning("client.no_heartbeat", session=self._session, reason=str(error))
            except CoffeeshopError:
                return  # the session is over: the follower hears why


def late(session: str, seconds: float | None) -> SessionTimeout:
    """What to raise for a session that did not end in time."""
    return SessionTimeout(f"the session {session} did not end within {seconds or 0:g} s")


def open_with_new_id(client: GatewayClient, folder: DataFolder, spec: SessionSpec) -> SessionSpec:
    """Open a session for a folder, under another id when this one cannot be opened.

    That is so when the broker was killed while it made the session's journals. Raises what
    `GatewayClient.open` raises, `SessionFailed` after some ids.
    """
    for _ in range(OPENINGS - 1):
        try:
            if client.open(spec, name_of(folder))["state"] != "failed":
                return spec
            log.warning("client.not_opened", session=spec.id)
        except SessionFailed as error:
            log.warning("client.not_opened", session=spec.id, reason=str(error))
        spec = replace(spec, id=str(uuid.uuid4()))
    client.open(spec, name_of(folder))
    return spec


def name_of(folder: DataFolder) -> str:
    """What a session of that folder is called in lists."""
    return printable(folder.name)


def analyse(  # noqa: PLR0913 - the options of a run, all by name
    client: GatewayClient,
    folder: DataFolder,
    spec: SessionSpec,
    *,
    producer: int = 0,
    name: str | None = None,
    skip_bad_rows: bool = False,
    timeout: float | None = None,
    deadline: float | None = None,
    wait: bool = True,
    on_open: Callable[[str], None] = lambda session: None,
    on_progress: OnProgress = lambda table, rows, size: None,
    on_event: Callable[[Event], None] = lambda event: None,
    keep_on_interrupt: Callable[[str], bool] = lambda session: False,
) -> tuple[Uploaded, dict[str, pa.Table], tuple[str, ...]]:
    """Send this producer's share of a folder and (with ``wait``) fetch the results and warnings.

    The session of ``spec`` is opened or joined. A failure while sending, a timeout and an interrupt
    cancel the session: it could not complete. ``timeout`` bounds all of it; it counts from now,
    unless a ``deadline`` (of `time.monotonic`) says when it ends.
    """
    if timeout is not None and deadline is None:
        deadline = time.monotonic() + timeout
    client = client.until(deadline)
    told: dict[str, str | int] = {"session": spec.id, "plan": spec.plan, "producer": producer}
    with tracing.span("submit", told, root=True):
        opened = client.open(spec, name_of(folder) if name is None else printable(name))
        # What the gateway made of the questions is what its workers answer.
        spec = replace(spec, questions=tuple(opened.get("forms", ())))
        on_open(spec.id)
        log.info("client.opened", **told)
        crash_point("client.opened")
        heartbeat = min(HEARTBEAT, float(opened.get("heartbeat_seconds", HEARTBEAT)))
        follower = RemoteFollower(client, spec.id, on_event, heartbeat)
        sink = HttpSink(client, spec.id, follower)
        share = (producer, spec.producers)
        resender = Resender(
            folder,
            sink,
            plan=plan_of(spec),
            producer=str(producer),
            share=share,
            skip_bad_rows=skip_bad_rows,
            on_failure=follower.abandon,
        )
        follower.listen(lambda event: resender.hear(event.name, event.data))
        try:
            uploaded = upload(
                folder,
                sink,
                plan=plan_of(spec),
                producer=str(producer),
                share=share,
                skip_bad_rows=skip_bad_rows,
                on_progress=on_progress,
                on_table=resender.table_sent,
                stop=lambda: follower.ended or _over(deadline),
            )
            log.info("client.uploaded", session=spec.id, batches=sum(uploaded.batches.values()))
            if wait or follower.ended:  # one that failed by now says so
                follower.result(_left(deadline), timeout)
            if not wait:
                return uploaded, {}, tuple(uploaded.warnings)
        except (Cancelled, SessionFailed):
            raise  # it has ended already
        except BaseException as error:
            if not (isinstance(error, KeyboardInterrupt) and keep_on_interrupt(spec.id)):
                why = why_given_up(late(spec.id, timeout) if _over(deadline) else error, folder)
                _cancel(client, spec.id, why, LAST_PATIENCE if _over(deadline) else CANCEL_PATIENCE)
            if isinstance(error, Unreachable) and _over(deadline):
                raise late(spec.id, timeout) from error
            raise
        finally:
            follower.close()
            resender.stop()
            sink.close()
            resender.join()
        crash_point("client.completed")
        with tracing.span("results fetched", {}):
            tables = fetch(client, spec.id, plan_of(spec).results)
        log.info("client.completed", session=spec.id)
        return uploaded, tables, (*uploaded.warnings, *warnings_of(tables))


def why_given_up(error: BaseException, folder: DataFolder) -> dict[str, Any]:
    """What a gateway is told when this ends a session that its client cannot go on with."""
    if isinstance(error, KeyboardInterrupt | SystemExit):
        return {"kind": "cancelled", "reason": "interrupted by the client"}
    if isinstance(error, SessionTimeout):
        return {"kind": "cancelled", "reason": f"the client waits no longer: {error}"[:1000]}
    if not isinstance(error, BadData):
        return {"kind": "client_failed", "reason": f"the client failed: {error}"[:1000]}
    where = file_in(folder, error.file)
    short = BadData(
        error.reason, file=where, line=error.line, column=error.column, value=error.value
    )
    rows = [bad_row(row, folder) for row in error.rows or (error,)]
    return {"kind": "bad_data", "reason": str(short)[:1000], "bad_rows": rows}


def _cancel(
    client: GatewayClient,
    session: str,
    why: dict[str, Any],
    patience: float = CANCEL_PATIENCE,
) -> None:
    try:
        client.cancel_soon(session, patience, why)
    except CoffeeshopError as error:
        # What led here is the better reason to give; the gateway aborts a session by itself.
        log.warning("client.not_cancelled", session=session, reason=str(error))


def printable(name: str) -> str:
    """A folder's name as a gateway takes it for a session."""
    return "".join(c if c.isprintable() and c not in "/\\" else "_" for c in name)[:200]


def _over(deadline: float | None) -> bool:
    return deadline is not None and time.monotonic() > deadline


def _left(deadline: float | None) -> float | None:
    return None if deadline is None else max(0.0, deadline - time.monotonic())


def fetch(client: GatewayClient, session: str, queries: Iterable[str]) -> dict[str, pa.Table]:
    """Results of a completed session by query."""
    return {query: from_arrow(client.result(session, query, "arrow")) for query in queries}


def queries_of(known: Mapping[str, Any]) -> tuple[str, ...]:
    """The queries of a session, by what its gateway tells of it."""
    return tuple(known.get("queries") or plan_named(str(known["plan"])).results)  # before 0.3
