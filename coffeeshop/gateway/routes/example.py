"""The example data set, for the page's button; only `coffeeshop serve` has one."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fastapi import APIRouter
from starlette.concurrency import run_in_threadpool
from starlette.responses import FileResponse

from coffeeshop.gateway.dependencies import Gateway, GatewayDep
from coffeeshop.gateway.problems import Problem

NAME = "example"
router = APIRouter(prefix="/v1/example", include_in_schema=False)


@router.get("")
async def example(gateway: GatewayDep) -> dict[str, Any]:
    """The data set's name and files; made if need be. `Problem` 404 where there is none."""
    return {"name": NAME, "files": list(await _files(gateway))}


@router.get("/{path:path}")
async def file(gateway: GatewayDep, path: str) -> FileResponse:
    """One of its files as it is; `Problem` 404 for any other path."""
    found = (await _files(gateway)).get(path)
    if found is None:
        raise Problem(404, "there is no such file")
    return FileResponse(
        found,
        media_type="application/octet-stream",
        headers={"X-Content-Type-Options": "nosniff", "Cache-Control": "no-store"},
    )


async def _files(gateway: Gateway) -> Mapping[str, Path]:
    if gateway.example is None:
        raise Problem(404, "this gateway has no example data")
    return await run_in_threadpool(gateway.example)
