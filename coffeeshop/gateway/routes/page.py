"""The web page at ``/`` and what it asks for beyond the API: an overview, downloads by link."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any, Literal

import pyarrow as pa
from fastapi import APIRouter, Header, Query
from starlette.responses import Response

from coffeeshop.formats import MEDIA_TYPES, warnings_of
from coffeeshop.gateway.dependencies import (
    Gateway,
    GatewayDep,
    QueryName,
    SessionId,
    session_of,
    without_workers,
)
from coffeeshop.gateway.listing import Listing, SearchText, State
from coffeeshop.gateway.pages import INDEX, Page, pages
from coffeeshop.gateway.problems import Problem
from coffeeshop.gateway.routes.operation import status_of
from coffeeshop.gateway.routes.result import result, table_of
from coffeeshop.gateway.security.access import caller
from coffeeshop.names import STAGES
from coffeeshop.parameters import Parameters
from coffeeshop.pipeline.messages import SessionSpec
from coffeeshop.pipeline.plan import MOST_QUESTIONS, PLANS, Plan, plan_of
from coffeeshop.questions.asking import BUILTIN, own_in
from coffeeshop.questions.columns import described
from coffeeshop.questions.gallery import ready
from coffeeshop.schema import CATALOG
from coffeeshop.sessions.lifecycle import Session

CSP = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
)
HEADERS = {
    "Content-Security-Policy": CSP,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    # A changed file is seen at once; an unchanged one costs an empty answer.
    "Cache-Control": "no-cache",
}
SILENT = ("query1",)
"""Queries that join nothing: they cannot miss what they join."""
router = APIRouter(include_in_schema=False)
Known = Annotated[str | None, Header(alias="If-None-Match")]
FileFormat = Literal[*MEDIA_TYPES]  # type: ignore[valid-type]


@router.api_route("/", methods=["GET", "HEAD"])
async def index(known: Known = None) -> Response:
    """The page."""
    return _served(pages()[INDEX], known)


@router.api_route("/static/{path:path}", methods=["GET", "HEAD"])
async def static(path: str, known: Known = None) -> Response:
    """One of the page's files; `Problem` 404 for any other path."""
    page = pages().get(path)
    if page is None:
        raise Problem(404, "no such file")
    return _served(page, known)


@router.get("/v1/overview")
async def overview(
    gateway: GatewayDep,
    limit: Annotated[int, Query(ge=1, le=1000)] = 50,
    state: State | None = None,
    q: SearchText = "",
) -> dict[str, Any]:
    """Everything the first page shows to who asks: the newest sessions of that state with that
    text, how many there are, and what flows in all open ones.
    """
    visible = gateway.visible_sessions()
    listing = Listing.of(visible, state, q)
    is_open = [session for session in visible if session.state == "open"]
    return {
        "you": asdict(caller()),
        "status": status_of(gateway),
        "sessions_total": len(listing.sessions),
        "counts": listing.counts,
        "sessions": [_shown(gateway, session) for session in listing.sessions[:limit]],
        "open": [_flowing(gateway, session) for session in is_open],
        "trouble": _trouble(gateway, is_open),
        "plans": {name: _topology(plan) for name, plan in PLANS.items()},
        "nodes": gateway.visible_nodes(),
        "example": gateway.example is not None,
        "currency": gateway.currency,
        "built_in": BUILTIN,
    }


def _flowing(gateway: Gateway, session: Session) -> dict[str, Any]:
    """As much of an open session as the pipeline shows."""
    return {
        "id": session.spec.id,
        "state": session.state,
        "plan": session.spec.plan,
        "input_bytes": sum(session.taken.values()),
        "journal_bytes": session.journal_bytes,
        "results": gateway.complete(session),
        "stages": _partitions(session),
        "topology": _topology(plan_of(session.spec)) if _has_own_plan(session.spec) else None,
        "waits_for": gateway.waits_for(session),
    }


def _trouble(gateway: Gateway, is_open: list[Session]) -> str:
    """What everybody is to know, whatever they look at; empty when all is well."""
    lacking = {stage: None for session in is_open for stage in gateway.waits_for(session)}
    if lacking:
        return without_workers(list(lacking)) + "."
    if len(gateway.nodes.unserved(STAGES)) == len(STAGES):
        return "No worker is running; what you send is safe and waits until one is."
    return ""


@router.get("/v1/overview/sessions/{session}")
async def one_session(gateway: GatewayDep, session: SessionId) -> dict[str, Any]:
    """One session as the overview shows it; `Problem` 404 or 410 when there is none."""
    known = await session_of(gateway, session)
    columns = {question.name: described(question) for question in own_in(known.spec.questions)}
    return {
        **_shown(gateway, known),
        **gateway.details(known),
        "columns": columns,
        "currency": gateway.currency,
    }


@router.get("/v1/overview/questions")
async def what_can_be_asked() -> dict[str, Any]:
    """The questions that are ready, the parameters of the four, and the tables' columns."""
    return {
        "ready": [asdict(each) for each in ready()],
        "parameters": Parameters().shown(),
        "most_questions": MOST_QUESTIONS,
        "tables": {
            name: [{"name": column.name, "kind": column.kind.value} for column in table.columns]
            for name, table in CATALOG.items()
        },
    }


@router.get("/v1/overview/sessions/{session}/warnings")
async def warnings(gateway: GatewayDep, session: SessionId) -> dict[str, list[str]]:
    """What a completed session's results warn of, each sentence once; `Problem` 409 before."""
    known = await session_of(gateway, session)
    if known.state != "completed":
        raise Problem(409, f"the session is {known.state}")
    tables: dict[str, pa.Table] = {}
    for query in plan_of(known.spec).results:
        if query in SILENT:
            continue
        async with gateway.reading:
            tables[query] = await table_of(gateway, known, query)
    return {"warnings": list(warnings_of(tables))}


@router.get("/v1/sessions/{session}/downloads/{query}.{suffix}")
async def download(
    gateway: GatewayDep, session: SessionId, query: QueryName, suffix: FileFormat
) -> Response:
    """One query's result by a plain link: a link can say no Accept."""
    answer = await result(gateway, session, query, MEDIA_TYPES[suffix])
    answer.headers["X-Content-Type-Options"] = "nosniff"
    answer.headers["Cache-Control"] = "private, no-store"
    return answer


def _shown(gateway: Gateway, session: Session) -> dict[str, Any]:
    spec = session.spec
    is_open = session.state == "open"
    return {
        **gateway.public(session),
        "journal_bytes": session.journal_bytes,
        "results": gateway.complete(session),
        "flow": gateway.traffic.of(spec.id),
        "stages": _partitions(session),
        "topology": _topology(plan_of(session.spec)) if _has_own_plan(session.spec) else None,
        "tasks": gateway.nodes.tasks_of(spec.id) if is_open else {},
        "trouble": without_workers(gateway.waits_for(session)),
    }


def _has_own_plan(spec: SessionSpec) -> bool:
    """Whether it has other stages than the plan that it is named after."""
    return bool(spec.questions or spec.quality)


def _topology(plan: Plan) -> list[dict[str, Any]]:
    """The stages of a plan in flow order: what each of them reads, and the results it makes."""
    return [
        {"stage": each.name, "reads": plan.upstream(each), "results": plan.results_of(each)}
        for each in plan.stages
    ]


def _partitions(session: Session) -> dict[str, int]:
    """How many tasks each stage of it has."""
    stages = plan_of(session.spec).stages
    return {stage.name: stage.partitions(session.spec) for stage in stages}


def _served(page: Page, known: str | None) -> Response:
    headers = {**HEADERS, "ETag": page.etag}
    if known is not None and _matches(known, page.etag):
        return Response(status_code=304, headers=headers)
    return Response(page.body, media_type=page.media_type, headers=headers)


def _matches(known: str, etag: str) -> bool:
    """Whether an If-None-Match names the tag: weakly compared, as RFC 9110 has it."""
    tags = [tag.strip().removeprefix("W/") for tag in known.split(",")]
    return etag in tags or "*" in tags
