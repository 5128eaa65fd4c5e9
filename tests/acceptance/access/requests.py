"""Who asks a gateway with tokens, what there is to ask, and how it refuses."""

from __future__ import annotations

import re
from typing import Any

import httpx2 as httpx

from coffeeshop.gateway.app import ROUTES
from coffeeshop.gateway.security.tokens import new_token

ALICE, BOB, OPS = (f"{new_token()}" for _ in range(3))
WHO = {"alice": ALICE, "bob": BOB, "ops": OPS}
FILLED = {
    "table": "users",
    "number": "0",
    "query": "query1",
    "suffix": "csv",
    "form": "xlsx",
    "path": "login.js",
    "token": "x",
}
OPEN = {
    "/healthz",
    "/readyz",
    "/login",
    "/logout",
    "/static/{path:path}",
    "/shared/{session}/{token}",
    "/shared/{session}/{token}/all.{form}",
    "/shared/{session}/{token}/{query}.{suffix}",
}
FOR_ADMINS = {"/v1/nodes", "/v1/status", "/v1/leftovers", "/metrics"}
API = sorted(
    (method, route.path)
    for module in ROUTES
    for route in module.router.routes
    for method in route.methods  # type: ignore[attr-defined]
)


def refused(answer: httpx.Response, status: int) -> None:
    assert answer.status_code == status, (answer.request.url, answer.text)
    assert answer.headers["content-type"] == "application/problem+json"
    if answer.request.method != "HEAD":
        assert answer.json()["status"] == status
    assert ("www-authenticate" in answer.headers) == (status == 401)


def ask(api: httpx.Client, method: str, path: str, session: str) -> httpx.Response:
    path = path.replace("{path:path}", "{path}")
    url = re.sub(r"\{(\w+)\}", lambda found: {**FILLED, "session": session}[found[1]], path)
    content: dict[str, Any] = {}
    if path.endswith("/eof"):
        content = {"json": {"batches": 1}}
    elif method == "PUT":
        text = "user_id,birthdate\n"
        content = {"content": text, "headers": {"Content-Type": "text/csv"}}
    if path.endswith("/files"):
        content["params"] = {"path": "users.csv", "size": 18, "step": "", "batch": 0}
    return api.request(method, url, **content)


def signed_in(api: httpx.Client, token: str) -> httpx.Response:
    return api.post("/login", json={"token": token}, headers={"Origin": str(api.base_url)})
