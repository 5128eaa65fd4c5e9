"""What is known of a session while it runs: no result, and at no address of one."""

from __future__ import annotations

import asyncio
from typing import Any

import pyarrow as pa
from fastapi import APIRouter
from starlette.concurrency import run_in_threadpool

from coffeeshop.formats import as_text
from coffeeshop.gateway.dependencies import GatewayDep, SessionId, open_session_of
from coffeeshop.gateway.previews import UNUSED, SoFar, TooManyPreviews
from coffeeshop.gateway.problems import Problem, problems

FIRST_ROWS = 100
"""Of each question."""
router = APIRouter(prefix="/v1/sessions/{session}", tags=["results"])


@router.get(
    "/partial",
    summary="See what is known so far",
    response_description="What the questions would answer if no more rows came.",
    responses=problems(401, 404, 409, 410, 422, 429, 503),
)
async def partial(gateway: GatewayDep, session: SessionId) -> dict[str, Any]:
    """Of an open session: `questions` by the names of their results, each with its `columns`, how
    many `rows` it has so far, and the `first` hundred of them as texts. **No answer**: it changes
    with every row that comes. `rows` says how many were read, by table; `share` which part of the
    rows of facts that is, or null while clients still send; `caught_up` whether all that is stored
    was read. Nothing is computed for a session unless a client asks. 429 while the gateway makes
    two of these for other sessions.
    """
    known = await open_session_of(gateway, session)
    looks = gateway.looks
    look = looks.get(known.spec.id)
    if look is None:  # else a client that asks meanwhile is told the same, and takes no thread
        work = run_in_threadpool(gateway.previews.look, known.spec)
        look = looks[known.spec.id] = asyncio.ensure_future(work)
        look.add_done_callback(lambda _: looks.pop(known.spec.id))
    try:
        found = await asyncio.shield(look)
    except TooManyPreviews:
        why = "this gateway shows two other sessions while they run"
        raise Problem(429, why, retry_after=5) from None
    loop = asyncio.get_running_loop()
    loop.call_later(UNUSED + 1, loop.run_in_executor, None, gateway.previews.drop_unused)
    return _shown(found)


def _shown(found: SoFar) -> dict[str, Any]:
    return {
        "partial": True,
        "rows": found.rows,
        "share": found.share,
        "caught_up": found.caught_up,
        "questions": {name: _first(table) for name, table in found.tables.items()},
    }


def _first(table: pa.Table) -> dict[str, Any]:
    columns = [as_text(column).to_pylist() for column in table.slice(0, FIRST_ROWS).columns]
    return {
        "columns": table.column_names,
        "rows": table.num_rows,
        "first": [list(row) for row in zip(*columns, strict=True)],
    }
