"""A session's input over HTTP: batches, and the ends of tables."""

from __future__ import annotations

from concurrent.futures import Future
from typing import Annotated

from fastapi import APIRouter, Header, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.concurrency import run_in_threadpool

from coffeeshop.crashpoints import crash_point
from coffeeshop.errors import BrokerRefuses, JournalGone
from coffeeshop.gateway.bodies import (
    ARROW,
    CSV,
    PARQUET,
    announced_size,
    batch_of,
    media_type_of,
    read_body,
)
from coffeeshop.gateway.dependencies import (
    GatewayDep,
    Producer,
    Sequence,
    SessionId,
    TableName,
    confirmed,
    open_session_of,
    over,
    table_of,
)
from coffeeshop.gateway.problems import Problem, problems
from coffeeshop.gateway.session_bodies import LeftOutRows
from coffeeshop.reading.bodies import csv_body, parquet_body
from coffeeshop.sessions.lifecycle import Session
from coffeeshop.sessions.sessions import Sessions

router = APIRouter(prefix="/v1/sessions/{session}/tables/{table}", tags=["input"])
_BINARY = {"schema": {"type": "string", "format": "binary"}}
_BODY = {
    "requestBody": {"required": True, "content": dict.fromkeys((ARROW, CSV, PARQUET), _BINARY)}
}


class EndOfTable(BaseModel):
    """The end of a table."""

    model_config = ConfigDict(extra="forbid")
    batches: int = Field(
        ge=0, lt=1 << 40, description="How many batches of the table this client sent."
    )
    left_out: LeftOutRows | None = Field(
        None, description="The rows that the client did not send, since the schema refuses them."
    )


@router.put(
    "/batches/{number}",
    status_code=204,
    openapi_extra=_BODY,
    summary="Upload a batch of rows",
    response_description="The batch is stored.",
    responses=problems(400, 401, 404, 408, 409, 410, 413, 415, 422, 429, 503),
)
async def put_batch(
    gateway: GatewayDep,
    request: Request,
    session: SessionId,
    table: TableName,
    number: Sequence,
    *,
    producer: Producer = 0,
    content_type: Annotated[str, Header(description=f"`{CSV}`, `{PARQUET}` or `{ARROW}`.")] = "",
    content_encoding: Annotated[str, Header(include_in_schema=False)] = "",
) -> None:
    """The body is CSV text with its header, a Parquet file, or an Arrow IPC stream of one batch.

    At most 4 MiB. Number the batches of a table from 0. Sending the same batch again is harmless;
    sending other rows under the same number is refused (409).
    """
    known = await open_session_of(gateway, session, producer)
    name = known.spec.id
    if known.owner and not gateway.sessions.repairs.asks(name, table, producer):
        gateway.admission.client_input(known.owner, gateway.log.all())
    with gateway.admission.body(name, announced_size(request)):
        media_type = media_type_of(content_type, content_encoding)
        body = await read_body(request)
        wanted, late = table_of(known, table)
        read = parquet_body if media_type == PARQUET else csv_body
        batch = await run_in_threadpool(batch_of, wanted, media_type, body, read, late)
        del body  # of a CSV text the batch is a copy
        check_count(known, table, producer, number)
        repeat = gateway.check_repeat((name, table, producer, number), batch.digest)
        gateway.sessions.repairs.take(name, table, producer, number)
        ingest = gateway.sessions.ingest(known.spec)
        appended = ingest.batch(table, str(producer), number, batch.body, batch.digest)
        crash_point("gateway.batch_appended")
        await stored(gateway.sessions, known, appended)
        crash_point("gateway.batch_confirmed")
    gateway.log.seen(name, len(batch.body))
    if not repeat:
        gateway.traffic.count_stored(name, table, batch.rows, len(batch.body))


@router.put(
    "/eof",
    status_code=204,
    summary="End a table",
    response_description="The end of the table is stored.",
    responses=problems(400, 401, 404, 409, 410, 422, 503),
)
async def end_table(
    gateway: GatewayDep,
    session: SessionId,
    table: TableName,
    end: EndOfTable,
    producer: Producer = 0,
) -> None:
    """Says that this client sent all batches of the table, and how many.

    When every client ended every table, the session completes by itself.
    """
    known = await open_session_of(gateway, session, producer)
    table_of(known, table)
    before = known.tables.get((table, str(producer)))
    if before is not None and before != end.batches:
        raise Problem(409, f"the table ended with {before} batches")
    if before is not None:
        return  # written down after every journal had it: once more would only fill them
    ingest = gateway.sessions.ingest(known.spec)
    appended = ingest.end(table, str(producer), end.batches)
    crash_point("gateway.eof_appended")
    await stored(gateway.sessions, known, appended)
    crash_point("gateway.eof_confirmed")
    told = None if end.left_out is None else end.left_out.model_dump()
    await confirmed(
        gateway.sessions.table_ended(known.spec.id, table, str(producer), end.batches, told)
    )
    crash_point("gateway.table_ended_written")


def check_count(session: Session, table: str, producer: int, number: int) -> None:
    """Raise `Problem` 409 for a batch behind the end of its table."""
    count = session.tables.get((table, str(producer)))
    if count is not None and number >= count:
        raise Problem(409, f"the table ended with {count} batches")


async def stored(sessions: Sessions, session: Session, future: Future[None]) -> None:
    """Wait until it is confirmed; `Problem` 410 when the session is over."""
    try:
        await confirmed(future)
    except JournalGone as error:
        sessions.fail(session, f"the broker lost a journal of it (it was deleted): {error}")
        raise over(sessions.log.updated(session)) from None
    except BrokerRefuses as error:
        sessions.fail(session, str(error))
        raise
