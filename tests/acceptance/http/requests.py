"""The gateway's API by hand: what curl would send, and what comes back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx2 as httpx
import pyarrow as pa

from coffeeshop.formats import to_csv
from coffeeshop.pipeline.plan import PLANS
from coffeeshop.schema import TABLES
from tests.running import Running, eventually, listeners_of

ARROW = {"Content-Type": "application/vnd.apache.arrow.stream"}
CSV = {"Content-Type": "text/csv"}
QUERIES = PLANS["fused"].results


def opened(api: httpx.Client, **parameters: Any) -> str:
    answer = api.post("/v1/sessions", json=parameters)
    assert answer.status_code == 201, answer.text
    assert answer.headers["location"] == f"/v1/sessions/{answer.json()['id']}"
    found: str = answer.json()["id"]
    return found


def put(
    api: httpx.Client, session: str, table: str, number: int, body: bytes, **how: Any
) -> httpx.Response:
    how = {"headers": ARROW, **how}
    return api.put(f"/v1/sessions/{session}/tables/{table}/batches/{number}", content=body, **how)


def end(api: httpx.Client, session: str, table: str, batches: int, **params: Any) -> httpx.Response:
    path = f"/v1/sessions/{session}/tables/{table}/eof"
    return api.put(path, json={"batches": batches}, params=params)


def problem(answer: httpx.Response, status: int) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    found: dict[str, Any] = answer.json()
    assert found["status"] == status
    assert found["title"]
    assert found["detail"]
    return found


def texts(tables: dict[str, pa.Table]) -> dict[str, str]:
    return {f"{query}.csv": to_csv(table).decode() for query, table in tables.items()}


def state_of(api: httpx.Client, session: str) -> str:
    found: str = api.get(f"/v1/sessions/{session}").json()["state"]
    return found


def events_of(api: httpx.Client, session: str, **headers: str) -> str:
    return api.get(f"/v1/sessions/{session}/events", headers=headers).text


def uploaded(api: httpx.Client, folder: Path) -> str:
    """A session fed as with curl: a CSV text a table."""
    session = opened(api, name=folder.name)
    for table in TABLES:
        text = (folder / f"{table}.csv").read_bytes()
        assert put(api, session, table, 0, text, headers=CSV).status_code == 204
        assert end(api, session, table, 1).status_code == 204
    return session


def listening(system: Running) -> None:
    """Wait until a client hears of a session's events."""
    eventually(lambda: listeners_of(system) > 0, "a client listens")
