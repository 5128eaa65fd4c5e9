"""A session as the library shows it: its state, its events, its results."""

from __future__ import annotations

import datetime as dt
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any

from coffeeshop.api.results import Results
from coffeeshop.client.retry_budget import checked_seconds
from coffeeshop.client.sse import Event
from coffeeshop.client.upload import Uploaded
from coffeeshop.errors import Cancelled, SessionTimeout, UsageError
from coffeeshop.formats import warnings_of
from coffeeshop.parameters import Parameters
from coffeeshop.pipeline.messages import SessionSpec
from coffeeshop.pipeline.plan import plan_of
from coffeeshop.questions.asking import shown_parameters, texts_of
from coffeeshop.report.run import Run, run_of

if TYPE_CHECKING:  # an analysis in this process needs no HTTP client
    from coffeeshop.client.gateway import GatewayClient

NOT_SHARED = "only a session of a gateway can be shared"
NOT_PARTIAL = "only a session of a gateway shows what is known so far"


class Session(ABC):
    """One analysis, regardless of which client sends its data. Thread-safe. Made by a `Client`."""

    def __init__(self, id: str, name: str, url: str | None) -> None:
        self.id = id
        """A UUID."""
        self.name = name
        """What people see in lists: usually the data folder's name."""
        self.url = url
        """The address of its page; None for an analysis in this process."""

    @abstractmethod
    def info(self) -> dict[str, Any]:
        """What is known of it now: `id`, `name`, `state`, `reason`, `created_at` (seconds since
        1970), `ended_at`, `results` (names of those that can be fetched) and more."""

    @property
    def state(self) -> str:
        """`open`, `completed`, `failed`, `cancelled` or `aborted`, as of now."""
        return str(self.info()["state"])

    @abstractmethod
    def result(self, timeout: float | None = None) -> Results:
        """Wait for its results, at most ``timeout`` seconds.

        Raises what it ended in: `SessionFailed`, `Cancelled`, `BadData`; or `SessionTimeout`, after
        which it goes on and may be asked again.
        """

    @abstractmethod
    def watch(self) -> Iterator[Event]:
        """Its events from the first one on, up to its end: `result` for each query that is
        answered, then `completed`, `failed`, `cancelled` or `aborted`."""

    def partial(self) -> dict[str, Any]:
        """What its questions would answer if no more rows came, while it runs. **No answer**: it
        changes with every row. `questions` has, by the names of their results, the `columns`, how
        many `rows` there are, and the `first` hundred of them as texts; `rows` how many were read,
        by table. Raises `SessionFailed` once it has ended, and `UsageError` where no gateway runs
        it.
        """
        raise UsageError(NOT_PARTIAL)

    @abstractmethod
    def cancel(self) -> None:
        """End it, unless it has ended."""

    def share(self, days: float = 7.0) -> str:
        """The address of a read-only link to its results, which any browser may open for so many
        days, without a token. Raises `UsageError` where no gateway runs it.
        """
        raise UsageError(NOT_SHARED)

    def unshare(self) -> None:
        """End all links to it. Raises `UsageError` where no gateway runs it."""
        raise UsageError(NOT_SHARED)

    def __repr__(self) -> str:
        return f"<Session {self.id} {self.name!r}>"


class RemoteSession(Session):
    """A session of a gateway."""

    def __init__(
        self,
        client: GatewayClient,
        id: str,
        name: str,
        uploaded: Uploaded | None = None,
        warnings: tuple[str, ...] = (),
    ) -> None:
        super().__init__(id, name, client.page(id))
        self._client = client
        self._uploaded = uploaded
        self._warnings = warnings

    def info(self) -> dict[str, Any]:
        return self._client.session(self.id)

    def result(self, timeout: float | None = None) -> Results:
        from coffeeshop.client.remote import RemoteFollower, fetch, queries_of

        timeout = checked_seconds(timeout, "timeout")
        end = None if timeout is None else time.monotonic() + timeout
        client = self._client.until(end)
        follower = RemoteFollower(client, self.id, heartbeat=None)
        try:
            follower.result(timeout)
        finally:
            follower.close()
        known = self.info()
        tables = fetch(client, self.id, queries_of(known))
        warnings = (*self._warnings, *warnings_of(tables))
        return Results(tables, self._uploaded, run_of(known, warnings, {}), self.url)

    def watch(self) -> Iterator[Event]:
        return self._client.events(self.id)

    def partial(self) -> dict[str, Any]:
        return self._client.partial(self.id)

    def cancel(self) -> None:
        self._client.cancel(self.id)

    def share(self, days: float = 7.0) -> str:
        return str(self._client.share(self.id, days * 86_400)["url"])

    def unshare(self) -> None:
        self._client.unshare(self.id)


Told = Callable[[str], None]


class LocalSession(Session):
    """A session of this process, on a thread of its own."""

    def __init__(
        self,
        spec: SessionSpec,
        name: str,
        analyse: Callable[[Told, Told], Results],
        cancel: Callable[[str], None],
    ) -> None:
        """``analyse`` runs it; it tells the first of what it is given that the session can be
        cancelled, by ``cancel``, and the second of each query that is answered."""
        super().__init__(spec.id, name, None)
        self._spec = spec
        self._analyse = analyse
        self._cancel = cancel
        self._is_unwanted = threading.Event()
        self._created = time.time()
        self._ended: float | None = None
        self._events: list[Event] = []
        self._news = threading.Condition()
        self._future: Future[Results] = Future()
        self.thread = threading.Thread(target=self._run, name=f"session {spec.id[:8]}", daemon=True)
        self.thread.start()

    def info(self) -> dict[str, Any]:
        with self._news:
            answered = [str(e.data["query"]) for e in self._events if e.name == "result"]
            last = self._events[-1] if self._ended is not None else None
        return {
            "id": self._spec.id,
            "plan": self._spec.plan,
            "producers": self._spec.producers,
            "partitions": self._spec.partitions,
            "parameters": shown_parameters(self._spec.parameters, self._spec.questions),
            "questions": texts_of(self._spec.questions),
            "quality": self._spec.quality,
            "queries": list(plan_of(self._spec).results),
            "name": self.name,
            "state": "open" if last is None else last.name,
            "reason": "" if last is None else str(last.data.get("reason", "")),
            "created_at": self._created,
            "ended_at": self._ended,
            "results": answered,
        }

    def result(self, timeout: float | None = None) -> Results:
        timeout = checked_seconds(timeout, "timeout")
        try:
            return self._future.result(timeout)
        except TimeoutError:
            raise SessionTimeout(
                f"the session {self.id} did not end within {timeout or 0:g} s"
            ) from None

    def watch(self) -> Iterator[Event]:
        seen = 0
        while True:
            with self._news:
                while len(self._events) == seen:
                    self._news.wait()
                new = self._events[seen:]
            seen += len(new)
            for event in new:
                yield event
                if event.name != "result":
                    return

    def cancel(self) -> None:
        self._is_unwanted.set()
        self._cancel(self.id)

    def _opened(self, session_id: str) -> None:
        if self._is_unwanted.is_set():  # it was cancelled before there was anything to cancel
            self._cancel(session_id)

    def _run(self) -> None:
        try:
            answer = self._analyse(self._opened, lambda query: self._tell("result", query=query))
            self._future.set_result(answer)
            self._tell("completed")
        except BaseException as error:  # noqa: BLE001 - raised where the result is waited for
            self._future.set_exception(error)
            self._tell("cancelled" if isinstance(error, Cancelled) else "failed", reason=str(error))

    def _tell(self, name: str, **data: str) -> None:
        with self._news:
            if name != "result":
                self._ended = time.time()
            self._events.append(Event(name, dict(data), len(self._events)))
            self._news.notify_all()


def run_here(
    name: str, spec: SessionSpec, seconds: float, uploaded: Uploaded, warnings: tuple[str, ...]
) -> Run:
    """The run of a session whose data this client sent."""
    return Run(
        name,
        spec.id,
        spec.plan,
        spec.partitions,
        dt.datetime.now().astimezone(),
        seconds=seconds,
        rows=uploaded.rows,
        warnings=warnings,
        parameters=Parameters.of_text(spec.parameters),
        questions={each["name"]: each["sql"] for each in texts_of(spec.questions)},
        rejected=uploaded.rejected,
    )
