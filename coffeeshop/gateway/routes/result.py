"""A session's events and results over HTTP."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import ExitStack, aclosing
from typing import Annotated

import pyarrow as pa
from fastapi import APIRouter, Header, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response, StreamingResponse

from coffeeshop.crashpoints import crash_point
from coffeeshop.errors import UsageError
from coffeeshop.formats import MEDIA_TYPES, body_of
from coffeeshop.gateway.dependencies import (
    OWN,
    Gateway,
    GatewayDep,
    QueryName,
    SessionId,
    being_opened,
    over,
    session_of,
)
from coffeeshop.gateway.events import event_stream, only_event, sse
from coffeeshop.gateway.problems import Problem, document, problems
from coffeeshop.gateway.responses import ReleasingResponse, attachment
from coffeeshop.gateway.security.access import INVALID_TOKEN, StillAllowed, caller
from coffeeshop.names import QUERIES
from coffeeshop.pipeline.plan import plan_of
from coffeeshop.sessions.lifecycle import Session
from coffeeshop.sessions.results import Event

RESULT_TIMEOUT = 60.0
END_TIMEOUT = 2.0
"""Seconds in which the event of an end arrives whose journal is gone already."""
MOST_XLSX_ROWS = 100_000
"""Of an Excel workbook that a gateway makes, which takes seconds of processor; clients make larger
ones themselves."""
router = APIRouter(prefix="/v1/sessions/{session}", tags=["results"])
_FILES = {name: {"schema": {"type": "string", "format": "binary"}} for name in MEDIA_TYPES.values()}


@router.get(
    "/events",
    response_class=StreamingResponse,
    summary="Follow a session",
    response_description="Server-sent events; the stream ends with the session.",
    responses={
        200: {"content": {"text/event-stream": {"schema": {"type": "string"}}}},
        **problems(401, 404, 410, 422, 429, 503),
    },
)
async def events(
    request: Request,
    gateway: GatewayDep,
    session: SessionId,
    last_event_id: Annotated[
        int, Header(ge=-1, lt=1 << 62, description="Resume after the event with this id.")
    ] = -1,
) -> StreamingResponse:
    """The events of a session, from its beginning to its end.

    `result` names a query whose result is available. The last event is `completed`, `failed`,
    `cancelled`, `aborted` or `expired`; or `error`, a problem document, if the client's token is
    revoked meanwhile. `waiting` names stages that no node runs, `working` says that all are run
    again; both have no id. `missing` asks for batches that were stored and got lost: `table`,
    `producer`, and in `ranges` first and last numbers, of which every `step`-th is missing. Clients
    that have the data send these again, under the same numbers; otherwise the session is aborted.
    """
    known = await session_of(gateway, session)
    if known.state == "open" and not known.declared:
        raise being_opened()

    async def final_event() -> Event:
        return await _final_event(gateway, known)

    def stopping() -> bool:
        return gateway.stopping or not allowed()

    allowed = StillAllowed(request, request.app.state.access)
    if known.declared:
        stream = event_stream(
            gateway.outcome_of(known),
            last_event_id,
            changes=gateway.changes,
            stopping=stopping,
            final_event=final_event,
            waits_for=lambda: gateway.waits_for(gateway.log.updated(known)),
        )
    else:  # it ended before it had a journal that tells of it
        stream = only_event(final_event)
    held = ExitStack()
    held.enter_context(gateway.admission.listening(caller().name))
    return ReleasingResponse(
        _told_why(stream, allowed),
        held,
        media_type="text/event-stream",
        headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
    )


async def _told_why(
    stream: AsyncGenerator[bytes, None], allowed: Callable[[], bool]
) -> AsyncIterator[bytes]:
    async with aclosing(stream):
        async for piece in stream:
            yield piece
    if not allowed():
        yield sse([("error", document(401, INVALID_TOKEN))], None)


async def _final_event(gateway: Gateway, known: Session) -> Event:
    """The event of a session whose out journal is gone."""

    def ended() -> Session | None:
        session = gateway.log.updated(known)
        return session if session.state != "open" else None

    session = await gateway.news.wait_for(known.spec.id, ended, END_TIMEOUT) or known
    if session.state in ("open", "completed"):
        return "expired", {}
    return session.state, {"reason": session.reason}


@router.get(
    "/results/{query}",
    response_class=Response,
    summary="Download the result of a query",
    response_description="The result as a file.",
    responses={200: {"content": _FILES}, **problems(401, 404, 406, 409, 410, 422, 429, 503)},
)
async def result(
    gateway: GatewayDep,
    session: SessionId,
    query: QueryName,
    accept: Annotated[str, Header(description="A media type below; without one, CSV.")] = "*/*",
) -> Response:
    """CSV, JSON, Parquet, an Excel workbook or an Arrow stream, chosen by Accept. 409 before it is
    available; 406 for a workbook of more than 100,000 rows."""
    chosen = chosen_format(accept)
    return await answer(gateway, await session_of(gateway, session), query, chosen)


async def answer(gateway: Gateway, known: Session, query: str, chosen: str) -> Response:
    """A result of a session that who asks may see, in that format; raises `Problem`."""
    if known.state not in ("open", "completed"):
        raise over(known)
    known_queries = plan_of(known.spec).results
    if query not in known_queries:
        raise Problem(404, f"the session has no query {query}; it has {', '.join(known_queries)}")
    if query not in gateway.complete(known):
        raise Problem(409, f"{query} is not complete yet", retry_after=1)
    with ExitStack() as held:
        async with gateway.reading:
            hold = held.enter_context(gateway.admission.response_bytes(caller().name))
            table = await table_of(gateway, known, query)
            body = await run_in_threadpool(_body, query, table, chosen, gateway.currency)
            hold(len(body))
        crash_point("gateway.result_read")
        gateway.traffic.count_sent(query if query in QUERIES else OWN, len(body))
        return attachment(body, f"{query}.{chosen}", MEDIA_TYPES[chosen], held.pop_all())


async def table_of(gateway: Gateway, known: Session, query: str) -> pa.Table:
    """A complete result; `Gateway.reading` bounds how many are read at a time."""
    return await run_in_threadpool(gateway.outcome_of(known).table, query, RESULT_TIMEOUT)


def _body(query: str, table: pa.Table, chosen: str, currency: str) -> bytes:
    if chosen == "xlsx" and table.num_rows > MOST_XLSX_ROWS:
        raise Problem(
            406,
            f"{query} has {table.num_rows:,} rows, too many for a workbook made here: use "
            "coffeeshop results ID --format xlsx, or another format",
        )
    try:
        return body_of(query, table, chosen, currency)
    except UsageError as error:
        raise Problem(406, str(error)) from None


def chosen_format(accept: str) -> str:
    """The first format that an Accept header names; `Problem` 406 when it names none."""
    wanted = [part.split(";")[0].strip().lower() for part in accept.split(",")]
    for media_type in wanted:
        for name, known in MEDIA_TYPES.items():
            if media_type == known:
                return name
    if any(media_type in ("*/*", "text/*", "") for media_type in wanted):
        return "csv"
    raise Problem(406, f"no such format; accepted are {', '.join(MEDIA_TYPES.values())}")
