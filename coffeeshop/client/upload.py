"""A data folder sent as numbered batches, parsed ahead by a few threads."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence, Set
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Protocol

import pyarrow as pa

from coffeeshop.client.left_out import LeftOut
from coffeeshop.codec import encode, split
from coffeeshop.errors import BadData
from coffeeshop.observability import tracing
from coffeeshop.operators import Late
from coffeeshop.pipeline.plan import PLANS, Plan
from coffeeshop.reading.blocks import Block, Buffers, blocks_of
from coffeeshop.reading.file import File
from coffeeshop.reading.folder import DataFolder
from coffeeshop.reading.parse import Parsed, Rejected, read
from coffeeshop.reading.sources import is_parquet
from coffeeshop.reading.stores.base import StoredFile
from coffeeshop.schema import TABLES, UPLOAD_ORDER, Table

if TYPE_CHECKING:
    from coffeeshop.reading.parquet import Rows

PARSERS = 2
"""Threads that parse. One does about 400 MB/s."""
LOOKAHEAD = 4
"""Blocks being parsed or waiting for their turn."""
WINDOW = 8
"""Batches sent and not confirmed."""
ORDER = tuple(name for name in UPLOAD_ORDER if name in TABLES)
"""The tables of the four questions, as they are sent."""


class Sink(Protocol):
    """Where batches go: the gateway in this process, or one across the network."""

    def batch(self, table: str, producer: str, number: int, body: bytes) -> Future[None]:
        """Take a batch; done when it is confirmed."""
        ...

    def end(
        self, table: str, producer: str, count: int, left_out: LeftOut | None = None
    ) -> Future[None]:
        """Take the end of a table, and what was left out of it."""
        ...


@dataclass
class Uploaded:
    """What was sent."""

    rows: dict[str, int] = field(default_factory=dict)
    batches: dict[str, int] = field(default_factory=dict)
    rejected: list[Rejected] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    """What was noticed of the input: files that were not read, values that may not be meant so."""


OnProgress = Callable[[str, int, int], None]
"""Called with a table, rows and input bytes that were taken."""


def upload(
    folder: DataFolder,
    sink: Sink,
    *,
    plan: Plan = PLANS["fused"],
    producer: str = "0",
    share: tuple[int, int] = (0, 1),
    skip_bad_rows: bool = False,
    on_progress: OnProgress = lambda table, rows, size: None,
    on_table: Callable[[str, list[int]], None] = lambda table, cuts: None,
    stop: Callable[[], bool] = lambda: False,
) -> Uploaded:
    """Send every table and its end; returns when all of it is confirmed.

    Texts that no query of ``plan`` can want in their row are left out.
    ``share`` (i, N): of N producers that have the same folder, this one sends every N-th block from
    the i-th. ``on_table`` is called with the number of batches of each block of a table before its
    end is sent, ``stop`` is asked between batches. Batches are numbered in the folder's order, so a
    client that starts over gives the same ids to the same rows. Raises `BadData`.
    """
    sent = Uploaded(
        dict.fromkeys(plan.table_names, 0),
        dict.fromkeys(plan.table_names, 0),
        warnings=list(folder.warnings),
    )
    open_batches: deque[Future[None]] = deque()
    buffers = Buffers()
    with ThreadPoolExecutor(PARSERS, "parse") as pool:
        for name in sorted(plan.table_names, key=UPLOAD_ORDER.index):
            table = plan.table(name)
            number, before = 0, len(sent.rejected)
            cuts: list[int] = []
            with tracing.span("upload", {"table": name, "producer": producer}):
                late = plan.late_columns(name)
                jobs = _parse_jobs(table, folder, late, skip_bad_rows, share, buffers)
                for block in _ahead(pool, jobs):
                    if stop():
                        return sent
                    for body in block.bodies:
                        open_batches.append(sink.batch(name, producer, number, body))
                        number += 1
                    cuts.append(len(block.bodies))
                    sent.rows[name] += block.parsed.batch.num_rows
                    sent.rejected.extend(block.parsed.rejected)
                    sent.warnings.extend(block.parsed.warnings)
                    on_progress(name, block.parsed.batch.num_rows, block.size)
                    while len(open_batches) > WINDOW:
                        open_batches.popleft().result()
                sent.batches[name] = number
                on_table(name, cuts)
                left_out = LeftOut.among(sent.rejected[before:], sent.rows[name], folder)
                open_batches.append(sink.end(name, producer, number, left_out))
    for future in open_batches:
        future.result()
    return sent


def cut_again(
    folder: DataFolder,
    table: str,
    cuts: Sequence[int],
    wanted: Set[int],
    *,
    plan: Plan,
    share: tuple[int, int],
    skip_bad_rows: bool,
) -> Iterator[tuple[int, bytes]]:
    """Some batches of a table that was sent, each with its number, as they were sent.

    ``cuts`` as `upload` gave them to ``on_table``; only blocks with ``wanted`` numbers are parsed.
    """
    late = plan.late_columns(table)
    jobs = _parse_jobs(plan.table(table), folder, late, skip_bad_rows, share, Buffers())
    number = 0
    for batches, job in zip(cuts, jobs, strict=False):
        numbers = range(number, number + batches)
        if not wanted.isdisjoint(numbers):
            found = zip(numbers, job().bodies, strict=False)
            yield from ((n, body) for n, body in found if n in wanted)
        number += batches


@dataclass(frozen=True)
class EncodedBlock:
    parsed: Parsed
    bodies: list[bytes]
    size: int


ParseJob = Callable[[], EncodedBlock]


def _parse_jobs(
    table: Table,
    folder: DataFolder,
    late: Late,
    skip_bad_rows: bool,
    share: tuple[int, int],
    buffers: Buffers,
) -> Iterator[ParseJob]:
    mine, producers = share
    number = 0
    for file in folder.files[table.name]:
        for job in _parse_jobs_of(table, file, buffers, late, skip_bad_rows):
            if number % producers == mine:
                yield job
            number += 1


def _parse_jobs_of(
    table: Table, file: File, buffers: Buffers, late: Late, skip_bad_rows: bool
) -> Iterator[ParseJob]:
    if is_parquet(file):
        from coffeeshop.reading.parquet import parquet_rows  # most folders have none

        for rows in parquet_rows(table, file):
            yield lambda rows=rows: _from_rows(rows, late, skip_bad_rows)  # type: ignore[misc]
    else:
        for block in blocks_of(table, file, buffers=buffers):
            yield lambda block=block: _from_block(block, late, skip_bad_rows)  # type: ignore[misc]
    if isinstance(file, StoredFile):
        file.verify()  # what is elsewhere may have been replaced between two reads of it


def _from_rows(rows: Rows, late: Late, skip_bad_rows: bool) -> EncodedBlock:
    from coffeeshop.reading.parquet import converted

    parsed = converted(rows, skip_bad_rows=skip_bad_rows)
    withheld = replace(parsed, batch=late.withheld(parsed.batch))
    return _encoded(withheld, rows.columns.nbytes)


def _from_block(block: Block, late: Late, skip_bad_rows: bool) -> EncodedBlock:
    worked = _encoded(read(block, late, skip_bad_rows=skip_bad_rows), len(block.body))
    block.release()
    return worked


def _encoded(parsed: Parsed, size: int) -> EncodedBlock:
    return EncodedBlock(parsed, [encode(piece) for piece in split(parsed.batch)], size)


def _ahead(pool: ThreadPoolExecutor, jobs: Iterator[ParseJob]) -> Iterator[EncodedBlock]:
    """The results in order, with the next few being worked on meanwhile."""
    begun: deque[Future[EncodedBlock]] = deque()
    try:
        for job in _defer_error(jobs):
            begun.append(pool.submit(job))
            if len(begun) >= LOOKAHEAD:
                yield begun.popleft().result()
        while begun:
            yield begun.popleft().result()
    finally:
        for future in begun:
            future.cancel()


def _defer_error(jobs: Iterator[ParseJob]) -> Iterator[ParseJob]:
    """The jobs; an error of the iterator comes last: a job before it may fail first."""
    try:
        yield from jobs
    except BadData as error:
        failed: Future[EncodedBlock] = Future()
        failed.set_exception(error)
        yield failed.result


def use_one_columnar_thread() -> None:
    """Keep the columnar library's own pool from competing with the parsers and the actors."""
    pa.set_cpu_count(1)
