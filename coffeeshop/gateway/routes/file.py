"""Whole files over HTTP: what a folder holds, and its files by ranges that the gateway asks for.

The page sends what it was given as it is. What it means is decided here, by the readers that the
command line uses.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future
from typing import Annotated, Any

import anyio.to_thread
from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, ConfigDict, Field

from coffeeshop.codec import digest, encode, split
from coffeeshop.crashpoints import crash_point
from coffeeshop.errors import BadData
from coffeeshop.gateway.bodies import Batch, PulledBody, announced_size
from coffeeshop.gateway.dependencies import (
    GatewayDep,
    Producer,
    SessionId,
    TableName,
    open_session_of,
    table_of,
)
from coffeeshop.gateway.problems import MOST_BAD_ROWS, Problem, problems, shown_row
from coffeeshop.gateway.routes.session import NewQuestion
from coffeeshop.gateway.routes.upload import check_count, stored
from coffeeshop.pipeline.messages import SessionSpec
from coffeeshop.pipeline.plan import MOST_QUESTIONS, plan_of
from coffeeshop.questions.asking import questions_of
from coffeeshop.reading.layout import Entry, layout_of, rooted
from coffeeshop.reading.ranges import LARGEST_GROUP, RANGE, Step, StepReader, first_step, step_of
from coffeeshop.schema import TABLES

router = APIRouter(prefix="/v1", tags=["input"])
MOST_FILES = 50_000
UNCONFIRMED = 3
"""Batches of one request that are appended and not yet confirmed."""
_FOOT = 16 << 20
_BINARY = {"schema": {"type": "string", "format": "binary"}}
_BODY = {"requestBody": {"required": True, "content": {"application/octet-stream": _BINARY}}}


class File(BaseModel):
    """A file of a folder."""

    model_config = ConfigDict(extra="forbid")
    path: str = Field(min_length=1, max_length=4096, description="With `/`, from the folder's top.")
    size: int = Field(ge=0, lt=1 << 53, description="Bytes.")


class Folder(BaseModel):
    """The names of a folder's files."""

    model_config = ConfigDict(extra="forbid")
    files: list[File] = Field(max_length=MOST_FILES)
    questions: list[NewQuestion] = Field(
        [],
        max_length=MOST_QUESTIONS,
        description="Those that are asked, whose tables are wanted; the four if left out.",
    )
    quality: bool = Field(False, description="The tables are wanted that checks of the data read.")


@router.post(
    "/folder",
    summary="Sort a folder's files into tables",
    response_description="What is read of it, and what is wrong with it.",
    responses=problems(400, 401, 413, 422),
)
def folder(folder: Folder) -> dict[str, Any]:
    """Says what `coffeeshop submit` would read of a folder with these files.

    `name` is that of the folder when all paths begin with it. Each file of `tables` has a first
    `step` for uploading it. `problems` are reasons to refuse the folder, `warnings` name files that
    are not read.
    """
    name, entries = rooted(Entry(file.path, file.size) for file in folder.files)
    top = f"{name}/" if name else ""
    layout = layout_of(entries, _wanted(folder.questions, quality=folder.quality))
    return {
        "name": name,
        "tables": {
            table: [
                {
                    "path": top + entry.path,
                    "size": entry.size,
                    "step": _shown(first_step(entry.path, entry.size)),
                }
                for entry in found
            ]
            for table, found in layout.tables.items()
        },
        "problems": [
            {"path": top + trouble.path if trouble.path else "", "reason": trouble.reason}
            for trouble in layout.troubles
        ],
        "warnings": list(layout.warnings),
    }


def _wanted(questions: list[NewQuestion], *, quality: bool) -> tuple[str, ...]:
    if not questions and not quality:
        return tuple(TABLES)
    forms = questions_of((each.name, each.sql) for each in questions)
    return plan_of(SessionSpec("", questions=forms, quality=quality)).table_names


@router.put(
    "/sessions/{session}/tables/{table}/files",
    openapi_extra=_BODY,
    summary="Upload a part of a file",
    response_description="The rows of the part are stored.",
    responses=problems(400, 401, 404, 408, 409, 410, 413, 422, 429, 503),
)
async def put_file(
    gateway: GatewayDep,
    request: Request,
    session: SessionId,
    table: TableName,
    *,
    path: Annotated[str, Query(min_length=1, max_length=4096, description="The file's path.")],
    size: Annotated[int, Query(ge=1, lt=1 << 53, description="The file's bytes.")],
    step: Annotated[str, Query(max_length=8192, description="`step.text` as it was answered.")],
    batch: Annotated[int, Query(ge=0, lt=1 << 40, description="Number of its first batch.")],
    producer: Producer = 0,
    skip_bad_rows: Annotated[
        bool, Query(description="Leave out rows that the schema refuses, instead of refusing all.")
    ] = False,
) -> dict[str, Any]:
    """The body is the bytes of the step's ranges, one after the other.

    The answer's `batches` says how many were made of them: the next ones count from there. `step`
    is what to send next of this file, null at its end. `rows` were stored, `left_out` were not;
    `bad_rows` are the first of these. Sending the same part again is harmless.
    """
    known = await open_session_of(gateway, session, producer)
    name = known.spec.id
    if known.owner and not gateway.sessions.repairs.asks(name, table, producer):
        gateway.admission.client_input(known.owner, gateway.log.all())
    asked = step_of(step, size)
    _check_size(request, asked)
    held = asked.size if asked.form == "parquet" else min(2 * asked.size, RANGE)
    with gateway.admission.body(name, held):
        body = PulledBody(request)
        wanted, late = table_of(known, table)
        reader = StepReader(wanted, path, size, asked, body, late, skip_bad_rows=skip_bad_rows)
        refused: list[BadData] = []
        batches = _batches(reader, refused)
        ingest = gateway.sessions.ingest(known.spec)
        waiting: deque[Future[None]] = deque()
        number, rows = batch, 0
        warnings: list[str] = []
        while (found := await _next(batches)) is not None:
            made, told = found
            check_count(known, table, producer, number)
            repeat = gateway.check_repeat((name, table, producer, number), made.digest)
            gateway.sessions.repairs.take(name, table, producer, number)
            waiting.append(ingest.batch(table, str(producer), number, made.body, made.digest))
            crash_point("gateway.batch_appended")
            number, rows = number + 1, rows + made.rows
            warnings.extend(told)
            if len(waiting) > UNCONFIRMED:
                await stored(gateway.sessions, known, waiting.popleft())
            gateway.log.seen(name, len(made.body))
            if not repeat:
                gateway.traffic.count_stored(name, table, made.rows, len(made.body))
        for future in waiting:
            await stored(gateway.sessions, known, future)
        crash_point("gateway.batch_confirmed")
        await body.drain()
    following = None if reader.next is None else _shown(reader.next)
    return {
        "batches": number - batch,
        "rows": rows,
        "left_out": len(refused),
        "bad_rows": [shown_row(each) for each in refused[:MOST_BAD_ROWS]],
        "step": following,
        "warnings": warnings,
    }


def _shown(step: Step) -> dict[str, Any]:
    return {"ranges": step.ranges, "text": step.text()}


def _check_size(request: Request, step: Step) -> None:
    if step.form == "parquet" and step.size > LARGEST_GROUP + _FOOT:
        raise Problem(413, f"a step of a Parquet file has at most {LARGEST_GROUP + _FOOT} bytes")
    announced = announced_size(request, step.size)
    if announced != step.size:
        raise Problem(400, f"the body has {announced} bytes and the step {step.size}")


Made = tuple[Batch, tuple[str, ...]]


def _batches(reader: StepReader, refused: list[BadData]) -> Iterator[Made]:
    """The step's rows as they go on, each with what to warn of; ``refused`` gets those left out."""
    for parsed in reader:
        refused.extend(each.error for each in parsed.rejected)
        warnings = parsed.warnings
        for piece in split(parsed.batch):
            body = encode(piece)
            yield Batch(body, digest(body), piece.num_rows), warnings
            warnings = ()


async def _next(batches: Iterator[Made]) -> Made | None:
    return await anyio.to_thread.run_sync(next, batches, None)
