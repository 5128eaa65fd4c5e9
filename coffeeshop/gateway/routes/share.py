"""Links that show one session to those who have them, read-only and for a while."""

from __future__ import annotations

import base64
import hashlib
import html
import uuid
from collections.abc import Mapping
from typing import Annotated, Any

import pyarrow as pa
from fastapi import APIRouter, Body, Path
from pydantic import BaseModel, ConfigDict, Field
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from coffeeshop.formats import as_text, warnings_of
from coffeeshop.gateway.dependencies import (
    NEWS_TIMEOUT,
    Gateway,
    GatewayDep,
    QueryName,
    SessionId,
    session_of,
)
from coffeeshop.gateway.problems import Problem, problems
from coffeeshop.gateway.routes.page import HEADERS, FileFormat
from coffeeshop.gateway.routes.result import answer, table_of
from coffeeshop.gateway.routes.together import Form, all_of
from coffeeshop.gateway.security.tokens import hash_of, new_token
from coffeeshop.headlines import headlines
from coffeeshop.parameters import Parameters
from coffeeshop.sessions.lifecycle import DAY, MOST_LINKS, Session

SHOWN_ROWS = 100
"""Rows of each result on the page of a link; the files have all of them."""
FILES = ("csv", "xlsx", "parquet", "json")
TOGETHER = {"xlsx": "one Excel workbook", "csv.zip": "CSV files in an archive"}
NO_LINK = "no such link, or it has expired"
STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 70rem; padding: 0 1rem;
  overflow-wrap: anywhere }
table { border-collapse: collapse; font-variant-numeric: tabular-nums }
.wide { overflow-x: auto; overflow-wrap: normal }
th, td { border-bottom: 1px solid #8886; padding: .2rem .8rem; text-align: left }
.number { text-align: right }
:root { color-scheme: light dark }
"""
_STYLE_HASH = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
PAGE_HEADERS = {
    **HEADERS,
    "Content-Security-Policy": (
        f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; base-uri 'none'; "
        "form-action 'none'; frame-ancestors 'none'"
    ),
    "Cache-Control": "private, no-store",
    "X-Robots-Tag": "noindex",
}
router = APIRouter(tags=["results"])
Token = Annotated[str, Path(max_length=100)]


class Share(BaseModel):
    """For how long a link holds."""

    model_config = ConfigDict(extra="forbid")
    seconds: Annotated[float, Field(gt=0, allow_inf_nan=False, description="From now on.")] = (
        7 * DAY
    )


@router.post(
    "/v1/sessions/{session}/links",
    status_code=201,
    summary="Make a read-only link to a session",
    response_description=(
        "`path` of the link below the gateway's address, told this once; `until` in seconds since "
        "1970, the end of the results at the latest."
    ),
    responses=problems(401, 404, 409, 410, 422, 503),
)
async def share(
    gateway: GatewayDep, session: SessionId, wanted: Annotated[Share | None, Body()] = None
) -> dict[str, Any]:
    """Who has the link sees the session's results, and nothing else, without a token.

    It holds for so many seconds from now, a week by default, at every gateway of the system, and
    ends with the session. It does not keep the results: see keep. 409 after 100 links whose time
    is not over.
    """
    known = await session_of(gateway, session)
    seconds = (wanted or Share()).seconds
    longest = gateway.sessions.timeouts.longest_keep
    if seconds > longest:
        raise Problem(422, f"a link holds for {longest / DAY:g} days at most")
    now = gateway.sessions.wall()
    if sum(abs(end) > now for end in known.links.values()) >= MOST_LINKS:
        raise Problem(409, f"{MOST_LINKS} links to the session were made; use one of them")
    token = new_token()
    until = await run_in_threadpool(gateway.sessions.share, known, hash_of(token), seconds)
    ends = gateway.sessions.timeouts.expires_at(known)
    return {
        "session": known.spec.id,
        "path": f"/shared/{known.spec.id}/{token}",
        "until": until if ends is None else min(until, ends),
    }


@router.delete(
    "/v1/sessions/{session}/links",
    status_code=204,
    summary="End all links to a session",
    response_description="No link to it holds any more.",
    responses=problems(401, 404, 410, 422, 503),
)
async def unshare(gateway: GatewayDep, session: SessionId) -> None:
    """Links that are made later hold."""
    known = await session_of(gateway, session)
    await run_in_threadpool(gateway.sessions.unshare, known)


@router.api_route("/shared/{session}/{token}", methods=["GET", "HEAD"], include_in_schema=False)
async def page(gateway: GatewayDep, session: SessionId, token: Token) -> Response:
    """The session's results as a page; `Problem` 404 for a link that does not hold."""
    known = await _shared(gateway, session, token)
    tables: dict[str, pa.Table] = {}
    for query in gateway.complete(known) if known.state in ("open", "completed") else ():
        async with gateway.reading:
            tables[query] = await table_of(gateway, known, query)
    body = await run_in_threadpool(_page, known, token, tables, gateway.currency)
    return Response(body, media_type="text/html; charset=utf-8", headers=PAGE_HEADERS)


@router.get("/shared/{session}/{token}/all.{form}", include_in_schema=False)
async def together(gateway: GatewayDep, session: SessionId, token: Token, form: Form) -> Response:
    """All results in one file; `Problem` as for the page, and as for any session."""
    found = await all_of(gateway, await _shared(gateway, session, token), form)
    found.headers.update(PAGE_HEADERS)
    return found


@router.get("/shared/{session}/{token}/{query}.{suffix}", include_in_schema=False)
async def file(
    gateway: GatewayDep, session: SessionId, token: Token, query: QueryName, suffix: FileFormat
) -> Response:
    """One result as a file; `Problem` as for the page, and as for any result."""
    known = await _shared(gateway, session, token)
    found = await answer(gateway, known, query, suffix)
    found.headers.update(PAGE_HEADERS)
    return found


async def _shared(gateway: Gateway, session: uuid.UUID, token: str) -> Session:
    """The session, if the link holds. The same answer for everything else."""
    hidden = hash_of(token)
    name = str(session)

    def told() -> Session | None:
        known = gateway.log.get(name)
        return known if known is not None and hidden in known.links else None

    # Another replica may just have made it.
    known = await gateway.news.wait_for(name, told, NEWS_TIMEOUT)
    if known is None or hidden not in known.live_links(gateway.sessions.wall()):
        raise Problem(404, NO_LINK)
    return known


def _page(known: Session, token: str, tables: Mapping[str, pa.Table], currency: str) -> str:
    name = html.escape(known.name or known.spec.id)
    asked = Parameters.of_text(known.spec.parameters)
    said = [*warnings_of(tables)] + ([] if known.state == "completed" else [_state(known)])
    told = headlines(tables, asked, currency) if known.state == "completed" else []
    parts = [f"<p><strong>{html.escape(sentence)}</strong></p>" for sentence in said]
    parts += [f"<p>{html.escape(sentence)}</p>" for sentence in told]
    if known.state == "completed":
        files = (f'<a href="{token}/all.{form}">{what}</a>' for form, what in TOGETHER.items())
        parts.append(f"<p>All results: {', '.join(files)}</p>")
    parts += [_section(query, token, table) for query, table in tables.items()]
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{name}</title>'
        '<meta name="viewport" content="width=device-width">'
        f"<style>{STYLE}</style></head><body><main><h1>{name}</h1>{''.join(parts)}"
        "</main></body></html>"
    )


def _state(known: Session) -> str:
    return f"The session is {known.state}{': ' if known.reason else ''}{known.reason}"


def _section(query: str, token: str, table: pa.Table) -> str:
    kinds = [
        ' class="number"' if pa.types.is_decimal(kind) or pa.types.is_integer(kind) else ""
        for kind in table.schema.types
    ]
    head = "".join(
        f"<th{kind}>{html.escape(column)}</th>"
        for column, kind in zip(table.column_names, kinds, strict=True)
    )
    columns = [as_text(column).to_pylist() for column in table.slice(0, SHOWN_ROWS).columns]
    rows = "".join(
        "<tr>"
        + "".join(f"<td{k}>{html.escape(c)}</td>" for c, k in zip(row, kinds, strict=True))
        + "</tr>"
        for row in zip(*columns, strict=True)
    )
    more = f"{min(SHOWN_ROWS, table.num_rows)} of {table.num_rows:,} rows; all of them as "
    files = ", ".join(f'<a href="{token}/{query}.{each}">{each}</a>' for each in FILES)
    # Who has no mouse scrolls a wide table as well.
    return (
        f"<h2>{html.escape(query)}</h2><p>{more}{files}</p>"
        f'<div class="wide" tabindex="0" role="region" aria-label="{html.escape(query)}">'
        f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>"
    )
