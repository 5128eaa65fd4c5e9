"""All results of a session as one file, for the page: archives of CSV, a workbook, the report."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import replace
from typing import Annotated, Literal

import pyarrow as pa
from fastapi import APIRouter, Path
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from coffeeshop.errors import UsageError
from coffeeshop.formats import MEDIA_TYPES, WRITERS, warnings_of
from coffeeshop.gateway.dependencies import Gateway, GatewayDep, SessionId, over, session_of
from coffeeshop.gateway.problems import Problem
from coffeeshop.gateway.responses import attachment
from coffeeshop.gateway.routes.result import MOST_XLSX_ROWS, table_of
from coffeeshop.gateway.security.access import caller
from coffeeshop.names import FOUR
from coffeeshop.pipeline.plan import plan_of
from coffeeshop.report.run import run_of
from coffeeshop.sessions.lifecycle import Session
from coffeeshop.workbook import to_workbook

Tables = Mapping[str, pa.Table]
router = APIRouter(include_in_schema=False)
CUBE = "sales_cube"
FORMS = ("csv.zip", "es.csv.zip", "xlsx", "html")
Form = Annotated[Literal[*FORMS], Path(description="Archives of CSV, a workbook, the report.")]  # type: ignore[valid-type]
_TYPES = {
    "csv.zip": "application/zip",
    "es.csv.zip": "application/zip",
    "xlsx": MEDIA_TYPES["xlsx"],
    "html": "text/html; charset=utf-8",
}


@router.get("/v1/sessions/{session}/downloads.{form}")
async def together(gateway: GatewayDep, session: SessionId, form: Form) -> Response:
    """All results in one file; `Problem` 409 before the session is completed, 406 where the file
    cannot hold them."""
    return await all_of(gateway, await session_of(gateway, session), form)


async def all_of(gateway: Gateway, known: Session, form: str) -> Response:
    """All results of a session that who asks may see, in one file; raises `Problem`."""
    if known.state == "open":
        raise Problem(409, "the session is not complete yet", retry_after=1)
    if known.state != "completed":
        raise over(known)
    with ExitStack() as held:
        async with gateway.reading:
            hold = held.enter_context(gateway.admission.response_bytes(caller().name))
            tables = {
                query: await table_of(gateway, known, query)
                for query in plan_of(known.spec).results
            }
            body = await run_in_threadpool(_writer(gateway, known, form), tables)
            hold(len(body))
        found = attachment(body, f"results.{form}", _TYPES[form], held.pop_all())
    found.headers["X-Content-Type-Options"] = "nosniff"
    found.headers["Cache-Control"] = "private, no-store"
    return found


def _writer(gateway: Gateway, known: Session, form: str) -> Callable[[Tables], bytes]:
    if form == "xlsx":
        return lambda tables: _workbook(tables, gateway.currency)
    if form == "html":
        return lambda tables: _report(gateway, known, tables)
    suffix = form.removesuffix(".zip")
    return lambda tables: _archive(tables, suffix)


def _archive(tables: Tables, suffix: str) -> bytes:
    """A zip archive with a file for each result."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for query, table in tables.items():
            archive.writestr(f"{query}.{suffix}", WRITERS[suffix](table))
    return made.getvalue()


def _workbook(tables: Tables, currency: str) -> bytes:
    """A sheet for each result but the cube, which is long, and what others are added up from."""
    tables = {query: table for query, table in tables.items() if query != CUBE} or tables
    for query, table in tables.items():
        if table.num_rows > MOST_XLSX_ROWS:
            raise Problem(
                406,
                f"{query} has {table.num_rows:,} rows, too many for a workbook made here: take the "
                "archive, or coffeeshop results ID --format xlsx",
            )
    try:
        return to_workbook(tables, currency)
    except UsageError as error:
        raise Problem(406, str(error)) from None


def _report(gateway: Gateway, known: Session, tables: Tables) -> bytes:
    if not set(tables) >= FOUR:
        raise Problem(406, "a report is about the four questions, which this session was not asked")
    from coffeeshop.report.page import page  # most gateways write none

    shown = {name: table for name, table in tables.items() if name in FOUR}
    run = run_of(gateway.public(known), warnings_of(tables), {})
    return page(shown, replace(run, currency=gateway.currency))
