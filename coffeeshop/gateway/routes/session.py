"""Sessions over HTTP: opened, listed, shown, kept alive, cancelled, deleted."""

from __future__ import annotations

import uuid
from dataclasses import replace
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Body, Query, Response
from pydantic import BaseModel, ConfigDict, Field
from starlette.concurrency import run_in_threadpool

from coffeeshop.errors import BrokerFull, UsageError
from coffeeshop.gateway.dependencies import Gateway, GatewayDep, SessionId, over, session_of
from coffeeshop.gateway.listing import Listing, SearchText, State, cursor
from coffeeshop.gateway.problems import Problem, problems
from coffeeshop.gateway.security.access import caller, sees
from coffeeshop.gateway.session_bodies import EndOfSession, Keep
from coffeeshop.observability.logs import about
from coffeeshop.parameters import MOST_USERS, Parameters
from coffeeshop.pipeline.messages import SessionSpec
from coffeeshop.pipeline.plan import MOST_QUESTIONS, PLANS, plan_of
from coffeeshop.questions.asking import (
    LONGEST_SQL,
    QUESTION_NAME,
    check_parameters,
    questions_of,
)
from coffeeshop.sessions.lifecycle import Session

HEARTBEATS = 4
"""In the time after which a client counts as gone."""
CURSOR = r"^\d+(\.\d+)?(e[+-]?\d+)?_[0-9a-f-]{36}$"
NAME = r"^[^\x00-\x1f\x7f-\x9f/\\]*$"
TAKEN = "a session with this id exists with different parameters"
router = APIRouter(prefix="/v1/sessions", tags=["sessions"])


class NewQuestion(BaseModel):
    """A question in SQL."""

    model_config = ConfigDict(extra="forbid")
    name: str = Field(pattern=QUESTION_NAME, description="The name of its result.")
    sql: str = Field(
        "",
        max_length=LONGEST_SQL,
        description="One SELECT, as DuckDB writes it; without it, `name` is that of a question of "
        "the gallery, or `query1` to `query4`.",
    )


class NewParameters(BaseModel):
    """What the four questions ask for; what is left out is as it has always been."""

    model_config = ConfigDict(extra="forbid")
    years: str | None = Field(
        None, max_length=20, description="`2024`, or `2023-2025`. `2024-2025` if left out."
    )
    hours: str | None = Field(
        None,
        max_length=20,
        description="`07:00-22:00`, both included, to the second. `06:00-23:00` if left out.",
    )
    min_amount: str | None = Field(
        None, max_length=20, description="Query 1's least final amount. `75` if left out."
    )
    top: int | None = Field(
        None, ge=1, le=MOST_USERS, description="Users per store in query 4. 3 if left out."
    )


class NewSession(BaseModel):
    """The parameters of a new session."""

    model_config = ConfigDict(extra="forbid")
    id: uuid.UUID | None = Field(
        None,
        description="A UUID that the client chooses, so that repeating the request is harmless.",
    )
    plan: Literal[*PLANS] = Field(  # type: ignore[valid-type]
        "fused", description="`fused`: all filters in one stage; `staged`: a stage per filter."
    )
    producers: int = Field(1, ge=1, le=1024, description="How many clients feed the session.")
    partitions: int = Field(2, ge=1, le=64, description="Parallel tasks per filter stage.")
    name: str = Field("", max_length=200, pattern=NAME, description="A name for lists and pages.")
    parameters: NewParameters = Field(
        default_factory=lambda: NewParameters.model_validate({}),
        description="Of the four questions: years, hours, least amount, top.",
    )
    questions: list[NewQuestion] = Field(
        [],
        max_length=MOST_QUESTIONS,
        description="Questions that are answered instead of the four. Each has a `name` and its "
        "`sql`; without `sql` it is the one of the gallery, or one of `query1` to `query4`.",
    )
    quality: bool = Field(
        False,
        description="Check the data as well; the result is called `quality`. It changes no answer.",
    )


@router.post(
    "",
    status_code=201,
    summary="Open a session",
    response_description="The new session.",
    responses={
        200: {"description": "The session: it exists already, with the same parameters."},
        **problems(400, 401, 403, 409, 410, 422, 429, 503),
    },
)
async def open_session(gateway: GatewayDep, new: NewSession, response: Response) -> dict[str, Any]:
    """A session is one analysis. Repeating the request with the same `id` is harmless.

    Until all tables have ended, the client must send something, at least a heartbeat every
    `heartbeat_seconds`; otherwise the gateway aborts the session after `--client-timeout`.
    """
    gateway.check_broker()
    spec = SessionSpec(str(new.id or uuid.uuid4()), new.plan, new.producers, new.partitions)
    parameters = Parameters.of(**new.parameters.model_dump()).text()
    spec = replace(spec, parameters=parameters, quality=new.quality)
    if new.questions:
        asked = [(each.name, each.sql) for each in new.questions]
        spec = replace(spec, questions=await run_in_threadpool(questions_of, asked))
        check_parameters(spec.parameters, spec.questions)
        _check(spec)
    about(session=spec.id)
    response.headers["Location"] = f"/v1/sessions/{spec.id}"
    known = gateway.log.get(spec.id)
    if known is None:
        _admit(gateway, spec)
    elif known.spec != spec or not sees(known.owner):
        raise Problem(409, TAKEN)
    elif known.declared or known.state != "open":
        response.status_code = 200
        return _shown(gateway, known)
    if known is not None:  # its opening was cut short: it goes on
        known = await run_in_threadpool(gateway.sessions.open, spec, new.name, known.owner)
        return _shown(gateway, known)
    owner = caller().name
    with gateway.admission.opening(owner, spec.id, gateway.log.all()):
        try:
            known = await run_in_threadpool(gateway.sessions.open, spec, new.name, owner)
        except BrokerFull:
            gateway.admission.files(gateway.log.all(), spec, failed=True)
            raise
    return _shown(gateway, known)


def _check(spec: SessionSpec) -> None:
    try:
        plan_of(spec)
    except UsageError as error:
        raise Problem(400, str(error)) from None


def _admit(gateway: Gateway, spec: SessionSpec) -> None:
    owner = gateway.log.expired_owner(spec.id)
    if owner is not None and not sees(owner):
        raise Problem(409, TAKEN)
    if owner is not None:
        raise Problem(410, "a session with this id was deleted; use another id", state="expired")
    known = gateway.log.all()
    gateway.admission.session(
        sum(each.state == "open" for each in known),
        sum(each.journal_bytes for each in known),
        len(known),
        sum(each.result_bytes for each in known),
    )
    gateway.admission.files(known, spec)


def _shown(gateway: Gateway, session: Session) -> dict[str, Any]:
    period = gateway.sessions.timeouts.client_timeout / HEARTBEATS
    return {
        **gateway.details(session),
        "heartbeat_seconds": period,
        "forms": list(session.spec.questions),
    }


@router.get(
    "",
    summary="List sessions",
    response_description=(
        "`sessions`, newest first, and `next`, or null on the last page; `total` of all pages; "
        "`counts` by state of the sessions that `q` finds."
    ),
    responses=problems(401, 422),
)
async def list_sessions(
    gateway: GatewayDep,
    state: Annotated[State | None, Query(description="Only sessions in this state.")] = None,
    q: SearchText = "",
    limit: Annotated[int, Query(ge=1, le=1000, description="Sessions per page.")] = 100,
    after: Annotated[
        str | None,
        Query(max_length=100, pattern=CURSOR, description="The `next` of the page before."),
    ] = None,
) -> dict[str, Any]:
    """The client's own sessions; an admin sees all of them. Pass `next` as `after` to page."""
    found = Listing.of(gateway.visible_sessions(), state, q)
    rest = found.sessions if after is None else found.behind(after)
    page = rest[:limit]
    return {
        "sessions": [gateway.public(each) for each in page],
        "next": cursor(page[-1]) if len(rest) > limit else None,
        "total": len(found.sessions),
        "counts": found.counts,
    }


@router.get(
    "/{session}",
    summary="Show a session",
    response_description="The session, with the queries whose results are available (`results`).",
    responses=problems(401, 404, 410, 422),
)
async def show_session(gateway: GatewayDep, session: SessionId) -> dict[str, Any]:
    """Its state, its parameters, and what was uploaded of each table.

    `missing` has what its tasks ask clients for: see the events.
    """
    known = await session_of(gateway, session)
    return {**_shown(gateway, known), "results": gateway.complete(known)}


@router.post(
    "/{session}/heartbeat",
    status_code=204,
    summary="Keep an open session alive",
    response_description="The gateway noted that the client is alive.",
    responses=problems(401, 404, 410, 422),
)
async def heartbeat(gateway: GatewayDep, session: SessionId) -> None:
    """Tells the gateway that the client still runs, although it sends no data."""
    known = await session_of(gateway, session)
    if known.state != "open":
        raise over(known)
    gateway.log.seen(known.spec.id)


@router.post(
    "/{session}/cancel",
    status_code=202,
    summary="Cancel a session",
    response_description="The session, as it is after the request.",
    responses=problems(401, 404, 410, 422, 503),
)
async def cancel(
    gateway: GatewayDep, session: SessionId, end: Annotated[EndOfSession | None, Body()] = None
) -> dict[str, Any]:
    """Ends an open session: as cancelled, or as failed when the client says that it cannot go on.
    If it completes at the same moment, the first of both counts.
    """
    known = await session_of(gateway, session)
    if known.state == "open":
        why = end or EndOfSession()
        state = "cancelled" if why.kind == "cancelled" else "failed"
        rows = [row.model_dump() for row in why.bad_rows]
        await run_in_threadpool(gateway.sessions.end, known, state, why.sentence(), rows)
    return _shown(gateway, gateway.log.updated(known))


@router.post(
    "/{session}/keep",
    status_code=202,
    summary="Keep a session's results longer",
    response_description="The session, as it is after the request; see `expires_at`.",
    responses=problems(401, 404, 410, 422, 503),
)
async def keep(
    gateway: GatewayDep, session: SessionId, wanted: Annotated[Keep | None, Body()] = None
) -> dict[str, Any]:
    """Keeps the session and its results for so many seconds from now, a week by default.

    Never shortens an earlier time. Its owner and admins can delete it all the same.
    """
    known = await session_of(gateway, session)
    seconds = (wanted or Keep()).seconds
    longest = gateway.sessions.timeouts.longest_keep
    if seconds > longest:
        raise Problem(422, f"results are kept for {longest:.0f} seconds at most")
    await run_in_threadpool(gateway.sessions.keep, known, seconds)
    kept = gateway.log.get(known.spec.id)
    if kept is None:
        raise Problem(410, "the session and its results were deleted", state="expired")
    return _shown(gateway, kept)


@router.delete(
    "/{session}",
    status_code=204,
    summary="Delete a session and its results",
    response_description="The session and its results are deleted.",
    responses=problems(401, 404, 422, 503),
)
async def delete(gateway: GatewayDep, session: SessionId) -> None:
    """Cancels the session first if it is open. Repeating the request is harmless."""
    owner = gateway.log.expired_owner(str(session))
    if owner is None or not sees(owner):
        known = await session_of(gateway, session)
        await run_in_threadpool(gateway.sessions.delete, known)
