"""The gateway's HTTP side: routes, and nothing that lasts longer than a request."""

from __future__ import annotations

import asyncio
import uuid
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

import pyarrow as pa
from fastapi import Depends, FastAPI, Header, Path, Query, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict, Field
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.responses import Response, StreamingResponse

from coffeeshop import __version__
from coffeeshop.errors import CoffeeshopError, JournalGone
from coffeeshop.formats import MEDIA_TYPES, WRITERS
from coffeeshop.gateway.admission import Admission, Limits
from coffeeshop.gateway.answers import read_result
from coffeeshop.gateway.bodies import Batch, CsvReader, announced_size, batch_of, read_body
from coffeeshop.gateway.events import event_stream
from coffeeshop.gateway.problems import MEDIA_TYPE, Problem, problem, problem_of
from coffeeshop.gateway.registry import Session
from coffeeshop.gateway.sessions import Sessions
from coffeeshop.messages import SessionSpec
from coffeeshop.metrics import render
from coffeeshop.plan import PLANS
from coffeeshop.presence import NodeDirectory
from coffeeshop.schema import TABLES
from coffeeshop.transport import Transport

NEWS_TIMEOUT = 2.0
"""Seconds to wait for word of a session that another replica may just have opened."""
RESULT_TIMEOUT = 60.0
RESULT_READERS = 4
REMEMBERED = 65_536
"""Digests of recent batches, by which this replica tells a changed repeat at once."""
QUERIES = PLANS["fused"].results

SessionId = Annotated[uuid.UUID, Path(description="The session's id.")]
TableName = Annotated[Literal[*TABLES], Path()]  # type: ignore[valid-type]
QueryName = Annotated[Literal[*QUERIES], Path()]  # type: ignore[valid-type]
Producer = Annotated[int, Query(ge=0, lt=10_000, description="Which of the N clients this is.")]
Sequence = Annotated[int, Path(ge=0, lt=1 << 40)]


class NewSession(BaseModel):
    """What a client says to open a session."""

    model_config = ConfigDict(extra="forbid")
    id: uuid.UUID | None = Field(None, description="Chosen by the client, so a repeat is harmless.")
    plan: Literal[*PLANS] = "fused"  # type: ignore[valid-type]
    producers: int = Field(1, ge=1, le=1024)
    partitions: int = Field(2, ge=1, le=64)
    name: str = Field("", max_length=200)


class EndOfTable(BaseModel):
    """How many batches of a table a producer sent."""

    model_config = ConfigDict(extra="forbid")
    batches: int = Field(ge=0, lt=1 << 40)


@dataclass
class Gateway:
    """What the routes work with."""

    transport: Transport
    sessions: Sessions
    nodes: NodeDirectory
    read_csv: CsvReader
    limits: Limits = field(default_factory=Limits)
    ready: Callable[[], bool] = lambda: True

    def __post_init__(self) -> None:
        self.admission = Admission(self.limits)
        self.reading = asyncio.Semaphore(RESULT_READERS)
        self.stopping = False
        self.digests: OrderedDict[tuple[str, str, int, int], str] = OrderedDict()

    def check_repeat(self, key: tuple[str, str, int, int], digest: str) -> None:
        """Raise `Problem` 409 when this replica took another body under the same id."""
        if self.digests.get(key, digest) != digest:
            raise Problem(409, "another batch was taken with this number")
        self.digests[key] = digest
        while len(self.digests) > REMEMBERED:
            self.digests.popitem(last=False)


def create_app(
    gateway: Gateway, on_shutdown: Callable[[], Awaitable[None]] | None = None
) -> FastAPI:
    """The ASGI application over a gateway."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> Any:
        yield
        if on_shutdown is not None:
            await on_shutdown()

    app = FastAPI(
        title="coffeeshop",
        version=__version__,
        description="Analyses of a coffee-shop chain's sales. Errors are RFC 9457 documents.",
        responses={400: {"content": {MEDIA_TYPE: {}}, "description": "A problem document."}},
    )
    app.state.gateway = gateway
    app.add_exception_handler(Problem, _problem)
    app.add_exception_handler(CoffeeshopError, _own_error)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(RequestValidationError, _invalid)
    for module in (_session_routes, _upload_routes, _result_routes, _operation_routes):
        module(app)
    return app


def _gateway(request: Request) -> Gateway:
    gateway: Gateway = request.app.state.gateway
    return gateway


The = Annotated[Gateway, Depends(_gateway)]


async def _session(gateway: Gateway, session: uuid.UUID) -> Session:
    known = gateway.sessions.get(str(session))
    if known is None:
        known = await run_in_threadpool(gateway.sessions.wait_for, str(session), NEWS_TIMEOUT)
    if known is None:
        raise Problem(404, f"there is no session {session}")
    return known


async def _open_session(gateway: Gateway, session: uuid.UUID, producer: int) -> Session:
    known = await _session(gateway, session)
    if known.state != "open":
        raise Problem(410, f"the session is {known.state}: {known.reason}", state=known.state)
    if producer >= known.spec.producers:
        raise Problem(409, f"the session has producers 0 to {known.spec.producers - 1}")
    return known


async def _confirmed(future: Future[None]) -> None:
    await asyncio.wrap_future(future)


def _session_routes(app: FastAPI) -> None:
    @app.post("/v1/sessions", status_code=201)
    async def open_session(gateway: The, new: NewSession, response: Response) -> dict[str, Any]:
        """Open a session. With an id that is open already, and the same wishes: 200."""
        spec = SessionSpec(str(new.id or uuid.uuid4()), new.plan, new.producers, new.partitions)
        known = gateway.sessions.get(spec.id)
        response.headers["Location"] = f"/v1/sessions/{spec.id}"
        if known is not None:
            if known.spec != spec:
                raise Problem(409, "there is a session of this id with other wishes")
            response.status_code = 200
            return known.public()
        is_open = [each for each in gateway.sessions.all() if each.state == "open"]
        gateway.admission.session(len(is_open), gateway.sessions.journal_bytes())
        session = await run_in_threadpool(gateway.sessions.open, spec, new.name)
        return session.public()

    @app.get("/v1/sessions")
    async def list_sessions(
        gateway: The,
        state: Literal["open", "completed", "failed", "cancelled", "aborted"] | None = None,
        limit: Annotated[int, Query(ge=1, le=1000)] = 100,
        after: uuid.UUID | None = None,
    ) -> dict[str, Any]:
        """The sessions, newest first; ``next`` is the ``after`` of the next page."""
        found = [s for s in gateway.sessions.all() if state is None or s.state == state]
        found.sort(key=lambda s: (s.created, s.spec.id), reverse=True)
        if after is not None:
            places = [i for i, s in enumerate(found) if s.spec.id == str(after)]
            if not places:
                raise Problem(404, f"there is no session {after} to go on after")
            found = found[places[0] + 1 :]
        page = found[:limit]
        more = page[-1].spec.id if len(found) > limit else None
        return {"sessions": [s.public() for s in page], "next": more}

    @app.get("/v1/sessions/{session}")
    async def show_session(gateway: The, session: SessionId) -> dict[str, Any]:
        """One session: its state, its tables, its complete queries."""
        known = await _session(gateway, session)
        return {**known.public(), "results": _complete(gateway, known)}

    @app.post("/v1/sessions/{session}/heartbeat", status_code=204)
    async def heartbeat(gateway: The, session: SessionId) -> None:
        """The client is there, though it sends nothing."""
        known = await _open_session(gateway, session, 0)
        gateway.sessions.seen(known.spec.id)

    @app.post("/v1/sessions/{session}/cancel", status_code=202)
    async def cancel(gateway: The, session: SessionId) -> dict[str, Any]:
        """End it. Of a completion and a cancellation the first counts."""
        known = await _session(gateway, session)
        if known.state == "open":
            await _confirmed(gateway.sessions.cancel(known, "cancelled by its client"))
        return known.public()

    @app.delete("/v1/sessions/{session}", status_code=204)
    async def delete(gateway: The, session: SessionId) -> None:
        """Remove it and its results; cancels it first if need be."""
        known = await _session(gateway, session)
        await run_in_threadpool(gateway.sessions.delete, known)


def _complete(gateway: Gateway, session: Session) -> list[str]:
    return list(QUERIES) if session.state == "completed" else gateway.sessions.complete(session)


def _upload_routes(app: FastAPI) -> None:
    @app.put("/v1/sessions/{session}/tables/{table}/batches/{number}", status_code=204)
    async def put_batch(
        gateway: The,
        request: Request,
        session: SessionId,
        table: TableName,
        number: Sequence,
        producer: Producer = 0,
        content_type: Annotated[str, Header()] = "",
    ) -> None:
        """Take one batch: an Arrow IPC stream of one record batch, or CSV text with its header.

        Answered when it is stored. The same batch may be sent again at any time.
        """
        known = await _open_session(gateway, session, producer)
        with gateway.admission.body(known.spec.id, announced_size(request)):
            body = await read_body(request)
            media_type = content_type.split(";")[0].strip().lower()
            batch: Batch = await run_in_threadpool(
                batch_of, table, media_type, body, gateway.read_csv
            )
            _check_count(known, table, producer, number)
            gateway.check_repeat((known.spec.id, table, producer, number), batch.digest)
            ingest = gateway.sessions.ingest(known.spec)
            await _stored(
                known, ingest.batch(table, str(producer), number, batch.body, batch.digest)
            )
        gateway.sessions.seen(known.spec.id, len(batch.body))

    @app.put("/v1/sessions/{session}/tables/{table}/eof", status_code=204)
    async def end_table(
        gateway: The,
        session: SessionId,
        table: TableName,
        end: EndOfTable,
        producer: Producer = 0,
    ) -> None:
        """This producer sent that many batches of the table, numbered from 0."""
        known = await _open_session(gateway, session, producer)
        before = known.tables.get((table, str(producer)))
        if before is not None and before != end.batches:
            raise Problem(409, f"the table was ended with {before} batches")
        ingest = gateway.sessions.ingest(known.spec)
        await _stored(known, ingest.end(table, str(producer), end.batches))
        await _confirmed(
            gateway.sessions.table_ended(known.spec.id, table, str(producer), end.batches)
        )


def _check_count(session: Session, table: str, producer: int, number: int) -> None:
    count = session.tables.get((table, str(producer)))
    if count is not None and number >= count:
        raise Problem(409, f"the table was ended with {count} batches")


async def _stored(session: Session, future: Future[None]) -> None:
    try:
        await _confirmed(future)
    except JournalGone:
        state = session.state if session.state != "open" else "over"
        raise Problem(410, f"the session is {state}: {session.reason}") from None


def _result_routes(app: FastAPI) -> None:
    @app.get("/v1/sessions/{session}/events")
    async def events(
        gateway: The,
        session: SessionId,
        last_event_id: Annotated[int, Header(ge=-1)] = -1,
    ) -> StreamingResponse:
        """The session's life as server-sent events, up to its end; resumes by Last-Event-ID."""
        known = await _session(gateway, session)
        return StreamingResponse(
            event_stream(gateway.transport, known.spec, last_event_id, lambda: gateway.stopping),
            media_type="text/event-stream",
            headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
        )

    @app.get("/v1/sessions/{session}/results/{query}", response_model=None)
    async def result(
        gateway: The,
        session: SessionId,
        query: QueryName,
        accept: Annotated[str, Header()] = "*/*",
    ) -> Response:
        """One query's result as csv, json, parquet or an Arrow stream, by Accept."""
        chosen = _format(accept)
        known = await _session(gateway, session)
        if known.state not in ("open", "completed"):
            raise Problem(410, f"the session is {known.state}: {known.reason}", state=known.state)
        if query not in _complete(gateway, known):
            raise Problem(409, f"{query} is not complete yet", retry_after=1)
        async with gateway.reading:
            table: pa.Table = await run_in_threadpool(
                read_result, gateway.transport, known.spec, query, RESULT_TIMEOUT
            )
            body = await run_in_threadpool(WRITERS[chosen], table)
        name = f'attachment; filename="{query}.{chosen}"'
        return Response(body, media_type=MEDIA_TYPES[chosen], headers={"Content-Disposition": name})


def _format(accept: str) -> str:
    wanted = [part.split(";")[0].strip().lower() for part in accept.split(",")]
    for media_type in wanted:
        for name, known in MEDIA_TYPES.items():
            if media_type == known:
                return name
    if any(media_type in ("*/*", "text/*", "") for media_type in wanted):
        return "csv"
    raise Problem(406, f"there are {', '.join(MEDIA_TYPES.values())}")


def _operation_routes(app: FastAPI) -> None:
    @app.get("/v1/nodes")
    async def nodes(gateway: The) -> dict[str, Any]:
        """The nodes that were heard of lately."""
        return {"nodes": gateway.nodes.all()}

    @app.get("/v1/status")
    async def status(gateway: The) -> dict[str, Any]:
        """Figures of this replica and of the whole."""
        return figures(gateway)

    @app.get("/healthz")
    async def healthz() -> dict[str, str]:
        """The process answers."""
        return {"status": "ok"}

    @app.get("/readyz")
    async def readyz(gateway: The) -> dict[str, str]:
        """The broker answers too."""
        if not gateway.ready():
            raise Problem(503, "the broker does not answer", retry_after=1)
        return {"status": "ready"}

    @app.get("/metrics", response_class=Response)
    async def metrics(gateway: The) -> Response:
        """Figures for Prometheus."""
        body, media_type = render(figures(gateway))
        return Response(body, media_type=media_type)


def figures(gateway: Gateway) -> dict[str, Any]:
    """What `status` and the metrics show, flat."""
    sessions = gateway.sessions.all()
    states = ("open", "completed", "failed", "cancelled", "aborted")
    return {
        "version": __version__,
        "gateway": gateway.sessions.name,
        **{f"sessions_{s}": sum(1 for each in sessions if each.state == s) for s in states},
        "journal_bytes": gateway.sessions.journal_bytes(),
        "bytes_in_memory": gateway.admission.in_memory,
        "requests_refused": gateway.admission.refused,
        "nodes": len(gateway.nodes.all()),
    }


async def _problem(request: Request, error: Exception) -> Response:
    assert isinstance(error, Problem)
    return error.response()


async def _own_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, CoffeeshopError)
    return problem_of(error)


async def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return problem(error.status_code, str(error.detail), error.headers)


async def _invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    wrong = [
        {"where": "/".join(map(str, each["loc"])), "what": str(each["msg"])}
        for each in error.errors()
    ]
    detail = "; ".join(f"{each['where']}: {each['what']}" for each in wrong)[:1000]
    return problem(422, detail, errors=wrong)
