"""Batches that tasks miss although they were stored: cut out of the folder and sent again."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import CancelledError, Future
from pathlib import Path
from typing import Any

from coffeeshop.client.upload import WINDOW, Sink, cut_again
from coffeeshop.errors import BadData, CoffeeshopError
from coffeeshop.observability.logs import get_logger
from coffeeshop.pipeline.plan import Plan
from coffeeshop.pipeline.repair import numbers_of
from coffeeshop.reading.file import File
from coffeeshop.reading.folder import DataFolder
from coffeeshop.reading.stores.base import StoredFile

log = get_logger()
_Signature = tuple[int, int]


class Resender:
    """Answers requests for what is missing of one producer's share of a folder, on a thread.

    The same cutting gives the same bytes under the same numbers, as long as no file changed. Tables
    whose upload has not ended are not answered for: their tasks ask again.
    """

    def __init__(
        self,
        folder: DataFolder,
        sink: Sink,
        *,
        plan: Plan,
        producer: str,
        share: tuple[int, int],
        skip_bad_rows: bool,
        on_failure: Callable[[CoffeeshopError], None],
    ) -> None:
        """``on_failure`` is called once, from the thread, when a batch cannot be sent again."""
        self._folder = folder
        self._sink = sink
        self._plan = plan
        self._producer = producer
        self._share = share
        self._skip_bad_rows = skip_bad_rows
        self._on_failure = on_failure
        self._files = {file: _signature(file) for files in folder.files.values() for file in files}
        self._cuts: dict[str, Sequence[int]] = {}
        self._changed = threading.Condition()
        self._wanted: dict[str, set[int]] = {}
        self._is_open = True
        self._thread: threading.Thread | None = None

    def table_sent(self, table: str, cuts: Sequence[int]) -> None:
        """A table was sent to its end; ``cuts`` has the number of batches of each block."""
        with self._changed:
            self._cuts[table] = cuts

    def hear(self, name: str, data: Mapping[str, Any]) -> None:
        """Take an event of the session; those of other names and producers are not for this."""
        if name != "missing" or str(data["producer"]) != self._producer:
            return
        with self._changed:
            if not self._is_open or data["table"] not in self._cuts:
                return
            wanted = self._wanted.setdefault(data["table"], set())
            wanted.update(numbers_of(data["ranges"], data["step"]))
            self._changed.notify()
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="resend", daemon=True)
                self._thread.start()

    def stop(self) -> None:
        """Begin to send nothing more. Then close the sink, which ends what is under way."""
        with self._changed:
            self._is_open = False
            self._changed.notify()

    def join(self) -> None:
        """Wait for the thread to end, after that."""
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        try:
            while (due := self._next()) is not None:
                self._send(*due)
        except CoffeeshopError as error:
            if self._is_open:  # else the session is over, or its client gives it up
                log.warning("client.not_resent", reason=str(error))
                self._on_failure(error)
        except (CancelledError, RuntimeError):  # of a sink that is closed
            if self._is_open:
                raise

    def _next(self) -> tuple[str, set[int]] | None:
        with self._changed:
            self._changed.wait_for(lambda: self._wanted or not self._is_open)
            return self._wanted.popitem() if self._is_open else None

    def _send(self, table: str, numbers: set[int]) -> None:
        self._check_unchanged(table)
        log.info("client.resends", table=table, batches=len(numbers))
        under_way: deque[Future[None]] = deque()
        for number, body in cut_again(
            self._folder,
            table,
            self._cuts[table],
            numbers,
            plan=self._plan,
            share=self._share,
            skip_bad_rows=self._skip_bad_rows,
        ):
            if not self._is_open:
                break
            under_way.append(self._sink.batch(table, self._producer, number, body))
            _settle(under_way, WINDOW)
        _settle(under_way, 0)
        self._check_unchanged(table)

    def _check_unchanged(self, table: str) -> None:
        """Other bytes under a known number would be refused, or be taken for what was sent."""
        for file in self._folder.files[table]:
            if isinstance(file, StoredFile):
                file.verify()
            elif _signature(file) != self._files[file]:
                raise BadData("changed after it was sent, and is asked for again", file=str(file))


def _settle(under_way: deque[Future[None]], most: int) -> None:
    while len(under_way) > most:
        under_way.popleft().result()


def _signature(file: File) -> _Signature:
    """Size, and when it was changed; nothing of a file that is gone or is elsewhere."""
    if not isinstance(file, Path):
        return 0, 0
    try:
        found = file.stat()
    except OSError:
        return 0, 0
    return found.st_size, found.st_mtime_ns
