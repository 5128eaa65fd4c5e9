"""A client of the library: it analyses by a gateway, or in this process."""

from __future__ import annotations

import os
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, overload

from coffeeshop.api.frames import folder_of
from coffeeshop.api.results import Results
from coffeeshop.api.sessions import LocalSession, RemoteSession, Session, Told, run_here
from coffeeshop.client.retry_budget import checked_seconds
from coffeeshop.client.sse import Event
from coffeeshop.client.upload import OnProgress, use_one_columnar_thread
from coffeeshop.errors import UsageError
from coffeeshop.observability.logs import is_configured
from coffeeshop.observability.telemetry import configure_logging
from coffeeshop.parameters import Parameters
from coffeeshop.pipeline.messages import SessionSpec
from coffeeshop.pipeline.plan import PLANS, plan_of
from coffeeshop.questions.asking import check_parameters, named, questions_of
from coffeeshop.reading.file import is_address, place_at
from coffeeshop.reading.folder import DataFolder, open_folder
from coffeeshop.settings import Settings

if TYPE_CHECKING:  # each mode imports what it needs
    from coffeeshop.client.gateway import GatewayClient
    from coffeeshop.local import LocalSystem

HERE = "memory:"
MOST_PARTITIONS = 64
Folder = str | os.PathLike[str]
Questions = Mapping[str, str] | Sequence[str]


def _nothing(table: str, rows: int, size: int) -> None:
    pass


def _nobody(session_id: str) -> None:
    pass


class Client:
    """Analyses data folders, or tables in memory: by a gateway, or in this process without one.

    Thread-safe. Use it as a context manager, or `close` it. What a gateway says no to is raised as
    an error of `coffeeshop.errors`, all of which are names of `coffeeshop` as well.
    """

    def __init__(
        self,
        url: str | None = None,
        *,
        token: str | None = None,
        ca_file: Folder | None = None,
        patience: float | None = None,
    ) -> None:
        """Connects at the first call. What is not given is as the command line has it.

        ``url``: a gateway's; None: the one of COFFEESHOP_GATEWAY, else the one of
        ``coffeeshop login``, else this process; ``"memory:"``: this process in any case.
        ``token``: None: COFFEESHOP_TOKEN, COFFEESHOP_TOKEN_FILE, else that of the login at this
        gateway. ``ca_file``: who vouches for an https gateway; None: COFFEESHOP_CA_FILE, else whom
        the system believes. ``patience``: seconds in which an unanswered request is repeated;
        None: COFFEESHOP_GATEWAY_PATIENCE, else 60.

        Raises `UsageError` when one of these is not what it should be.
        """
        use_one_columnar_thread()
        if not is_configured():
            configure_logging("normal")  # else all that is logged goes to standard output
        settings = Settings.read()
        self.url = settings.gateway if url is None else None if url == HERE else url
        """The gateway's address; None for this process."""
        self._closed = False
        self._local: LocalSystem | None = None
        self._remote: GatewayClient | None = None
        self._sessions: dict[str, LocalSession] = {}
        self._lock = threading.Lock()
        if self.url is None:
            from coffeeshop.local import LocalSystem

            self._local = LocalSystem()
            return
        from coffeeshop.client.gateway import PATIENCE, GatewayClient

        known = settings.credentials_for(self.url)
        waits = (checked_seconds(patience, "patience"), settings.gateway_patience, PATIENCE)
        self._remote = GatewayClient(
            self.url,
            patience=next(each for each in waits if each is not None),
            token=known.token if token is None else token,
            ca_file=known.ca_file if ca_file is None else Path(ca_file),
            proxy_sees_token=known.proxy_sees_token,
        )

    @overload
    def submit(
        self,
        folder: Folder | None = ...,
        *,
        tables: Mapping[str, Any] | None = ...,
        name: str | None = ...,
        plan: str = ...,
        partitions: int = ...,
        years: str | None = ...,
        hours: str | None = ...,
        min_amount: str | None = ...,
        top: int | None = ...,
        questions: Questions = ...,
        quality: bool = ...,
        skip_bad_rows: bool = ...,
        timeout: float | None = ...,
        wait: Literal[True] = ...,
        on_progress: OnProgress = ...,
        on_open: Callable[[str], None] = ...,
    ) -> Results: ...

    @overload
    def submit(
        self,
        folder: Folder | None = ...,
        *,
        tables: Mapping[str, Any] | None = ...,
        name: str | None = ...,
        plan: str = ...,
        partitions: int = ...,
        years: str | None = ...,
        hours: str | None = ...,
        min_amount: str | None = ...,
        top: int | None = ...,
        questions: Questions = ...,
        quality: bool = ...,
        skip_bad_rows: bool = ...,
        timeout: float | None = ...,
        wait: Literal[False],
        on_progress: OnProgress = ...,
        on_open: Callable[[str], None] = ...,
    ) -> Session: ...

    def submit(  # noqa: PLR0913 - the library's options, all by name
        self,
        folder: Folder | None = None,
        *,
        tables: Mapping[str, Any] | None = None,
        name: str | None = None,
        plan: str = "fused",
        partitions: int = 2,
        years: str | None = None,
        hours: str | None = None,
        min_amount: str | None = None,
        top: int | None = None,
        questions: Questions = (),
        quality: bool = False,
        skip_bad_rows: bool = False,
        timeout: float | None = None,
        wait: bool = True,
        on_progress: OnProgress = _nothing,
        on_open: Callable[[str], None] = _nobody,
    ) -> Results | Session:
        """Analyse a data ``folder``, or ``tables``, and give the results.

        ``folder``: a path, or an address: ``"s3://bucket/prefix"``, ``gs://``, ``abfs://``, or the
        ``https://`` address of a listing of files.
        ``tables``: the five tables by name, each an Arrow table, a DataFrame of pandas or polars,
        or a list of dicts, with the columns that the CSV files have. ``name`` is what people see in
        lists; None: the folder's. ``timeout`` bounds all of it, in seconds. ``on_progress`` is
        called with a table, rows and bytes that were taken, ``on_open`` with the session's id once
        it can be cancelled; from a thread of this client's. With ``wait=False`` a `Session` comes
        back: by a gateway once the data is there and safe, in this process at once.

        ``years`` (``"2023-2025"``), ``hours`` (``"07:00-22:00"``), ``min_amount`` (``"50"``) and
        ``top`` are parameters of the four questions; None: as they have always been. ``questions``:
        questions of one's own in SQL, as a dict of texts by name, or as a list of texts, which are
        called ``question1`` and so on, and of names of ready questions: those of the gallery, and
        ``query1`` to ``query4``. They are answered instead of the four, and `Results` has them.
        ``quality`` checks the data as well; see `Results.quality`.

        Raises `QuestionRefused` (line, column) for a question that is not understood, `UsageError`
        for invalid arguments, `BadData` (file, line, column, value),
        `SessionFailed`, `Cancelled`, `SessionTimeout`, `Unreachable`, `Forbidden`.
        """
        self._check_open()
        called = name or _name_of(folder)
        timeout = checked_seconds(timeout, "timeout")
        asked = Parameters.of(years=years, hours=hours, min_amount=min_amount, top=top)
        how = _How(
            replace(_spec(plan, partitions, asked, questions), quality=quality),
            called,
            skip_bad_rows,
            timeout,
            on_progress,
            on_open,
        )
        source = _source(folder, tables, plan_of(how.spec).table_names)
        return self._run(source, how, wait=wait)

    def _run(
        self,
        source: AbstractContextManager[DataFolder],
        how: _How,
        *,
        wait: bool,
    ) -> Results | Session:
        if self._remote is not None:
            with source as data:
                return self._there(self._remote, data, how, wait=wait)
        if wait:
            with source as data:
                return self._here(data, how, how.on_open, _nobody)

        def analyse(on_open: Told, on_complete: Told) -> Results:
            def opened(session_id: str) -> None:
                on_open(session_id)
                how.on_open(session_id)

            with source as data:
                return self._here(data, how, opened, on_complete)

        session = LocalSession(how.spec, how.name, analyse, self._cancel_here)
        with self._lock:
            self._sessions[session.id] = session
        return session

    def sessions(self, state: str | None = None, limit: int = 100) -> list[Session]:
        """The newest sessions, the newest first: those that this token may see; in this process
        those that were begun with ``wait=False``.

        ``state``: only those in it (see `Session.state`).
        """
        self._check_open()
        if self._remote is not None:
            found = self._remote.sessions(state, limit)
            return [RemoteSession(self._remote, each["id"], each["name"]) for each in found]
        with self._lock:
            known: list[Session] = list(reversed(self._sessions.values()))
        return [each for each in known if state is None or each.state == state][:limit]

    def get(self, session_id: str) -> Session:
        """The session of that id; raises `UsageError` when there is none."""
        self._check_open()
        if self._remote is not None:
            known = self._remote.session(session_id)
            return RemoteSession(self._remote, known["id"], known["name"])
        with self._lock:
            session = self._sessions.get(session_id)
        if session is None:
            raise UsageError(f"there is no session {session_id}")
        return session

    def results(self, session_id: str, timeout: float | None = None) -> Results:
        """The results of a session, waited for; raises as `Session.result` does."""
        return self.get(session_id).result(timeout)

    def watch(self, session_id: str) -> Iterator[Event]:
        """The events of a session up to its end; see `Session.watch`."""
        return self.get(session_id).watch()

    def cancel(self, session_id: str) -> None:
        """End a session, unless it has ended; raises `UsageError` when there is none."""
        self._check_open()
        if self._remote is not None:
            self._remote.cancel(session_id)
        else:
            self.get(session_id).cancel()

    def close(self) -> None:
        """End what runs in this process, or the connections. A second time does nothing."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            running = list(self._sessions.values())
        for each in (self._local, self._remote):
            if each is not None:
                each.close()
        for session in running:
            session.thread.join()

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _check_open(self) -> None:
        if self._closed:
            raise UsageError("this client is closed; make another one")

    def _cancel_here(self, session_id: str) -> None:
        assert self._local is not None
        self._local.cancel(session_id)

    def _here(self, data: DataFolder, how: _How, on_open: Told, on_complete: Told) -> Results:
        assert self._local is not None
        began = time.perf_counter()
        uploaded, completed = self._local.analyse(
            data,
            plan=how.spec.plan,
            partitions=how.spec.partitions,
            skip_bad_rows=how.skip_bad_rows,
            timeout=how.timeout,
            session=how.spec.id,
            parameters=how.spec.parameters,
            questions=how.spec.questions,
            quality=how.spec.quality,
            on_open=on_open,
            on_progress=how.on_progress,
            on_complete=on_complete,
        )
        seconds = time.perf_counter() - began
        run = run_here(how.name, how.spec, seconds, uploaded, completed.warnings)
        return Results(completed.tables, uploaded, run)

    def _there(
        self, client: GatewayClient, data: DataFolder, how: _How, *, wait: bool
    ) -> Results | Session:
        from coffeeshop.client.remote import analyse

        began = time.perf_counter()
        uploaded, tables, warnings = analyse(
            client,
            data,
            how.spec,
            name=how.name,
            skip_bad_rows=how.skip_bad_rows,
            timeout=how.timeout,
            wait=wait,
            on_open=how.on_open,
            on_progress=how.on_progress,
        )
        if not wait:
            return RemoteSession(client, how.spec.id, how.name, uploaded, warnings)
        run = run_here(how.name, how.spec, time.perf_counter() - began, uploaded, warnings)
        return Results(tables, uploaded, run, client.page(how.spec.id))


class _How:
    """How a session is to be run."""

    def __init__(
        self,
        spec: SessionSpec,
        name: str,
        skip_bad_rows: bool,
        timeout: float | None,
        on_progress: OnProgress,
        on_open: Callable[[str], None],
    ) -> None:
        self.spec = spec
        self.name = name
        self.skip_bad_rows = skip_bad_rows
        self.timeout = timeout
        self.on_progress = on_progress
        self.on_open = on_open


def _spec(plan: str, partitions: int, asked: Parameters, questions: Questions) -> SessionSpec:
    if plan not in PLANS:
        raise UsageError(f"no plan {plan!r}; there are {', '.join(PLANS)}")
    if not 1 <= partitions <= MOST_PARTITIONS:
        raise UsageError(f"partitions are 1 to {MOST_PARTITIONS}, not {partitions}")
    if isinstance(questions, str):
        raise UsageError("questions is a dict of texts by name, or a list of texts")
    texts = questions_of(named(questions))
    check_parameters(asked.text(), texts)
    return SessionSpec(str(uuid.uuid4()), plan, 1, partitions, asked.text(), texts)


def _name_of(folder: Folder | None) -> str:
    if folder is None:
        return "tables"
    text = os.fspath(folder)
    return place_at(text).name if is_address(text) else Path(folder).resolve().name


def _source(
    folder: Folder | None, tables: Mapping[str, Any] | None, wanted: Sequence[str]
) -> AbstractContextManager[DataFolder]:
    if (folder is None) == (tables is None):
        raise UsageError("submit takes a folder, or tables=..., one of them")
    if tables is not None:
        return folder_of(tables, wanted)
    assert folder is not None
    if is_address(os.fspath(folder)):
        from coffeeshop.reading.stores import open_address

        return nullcontext(open_address(os.fspath(folder), wanted))
    path = Path(folder)
    if not path.is_dir():
        raise UsageError(f"there is no folder {path}")
    return nullcontext(open_folder(path, wanted))
