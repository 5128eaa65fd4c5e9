"""What guards a gateway from other sites' pages: hosts, origins, cookies."""

from __future__ import annotations

import re
import socket
from itertools import product
from typing import Any

import pytest

from tests.acceptance.access.requests import ALICE, API, ask, refused, signed_in
from tests.running import Running, http, new_id

# Hosts and origins.


@pytest.mark.parametrize(
    "host", ["localhost", "LOCALHOST:1", "localhost.", "127.0.0.1:80", "[::1]:9", "coffee.example"]
)
def test_a_gateway_without_tokens_answers_to_its_own_names(free: Running, host: str) -> None:
    with http(free) as api:
        assert api.get("/v1/sessions", headers={"Host": host}).status_code == 200
        assert api.post("/v1/sessions", json={}, headers={"Host": host}).status_code == 201


@pytest.mark.parametrize(
    "host",
    ["evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "a@localhost", "", "[x]"],
)
def test_a_name_that_somebody_pointed_here_is_refused(free: Running, host: str) -> None:
    with http(free) as api:
        for method, path in product(("GET", "POST"), ("/v1/sessions", "/", "/login")):
            refused(api.request(method, path, headers={"Host": host}), 403)
        assert api.get("/healthz", headers={"Host": host}).status_code == 200


def test_two_hosts_are_none(free: Running) -> None:
    with socket.create_connection(("127.0.0.1", free.gateways[0].port), 20) as client:
        client.sendall(b"GET /v1/sessions HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\n\r\n")
        assert b" 403 " in client.recv(1 << 16)


def test_with_tokens_a_gateway_may_have_any_name(system: Running) -> None:
    with http(system, token=ALICE) as api:
        assert api.get("/v1/sessions", headers={"Host": "any.example"}).status_code == 200


@pytest.mark.parametrize(
    "origin",
    ["http://evil.example", "null", "http://localhost:1", "http://127.0.0.1", "", "http://[", "x"],
)
def test_a_page_of_another_site_may_not_write(system: Running, free: Running, origin: str) -> None:
    for each, token in ((free, None), (system, ALICE)):
        with http(each, token=token) as api:
            for method, path in ((m, p) for m, p in API if m not in ("GET", "HEAD")):
                api.headers["Origin"] = origin
                refused(ask(api, method, path, new_id()), 403)


def test_the_pages_own_origin_may_write(system: Running) -> None:
    with http(system, token=ALICE) as api:
        answer = api.post("/v1/sessions", json={}, headers={"Origin": system.url})
        assert answer.status_code == 201


# The page.


def test_the_first_page_leads_to_the_way_in(system: Running) -> None:
    with http(system) as api:
        answer = api.get("/")
        assert (answer.status_code, answer.headers["location"]) == (303, "login")
        page = api.get("/login")
        assert "default-src 'none'" in page.headers["content-security-policy"]
        for name in re.findall(r'(?:href|src)="([^"]+)"', page.text):
            assert api.get(f"/{name}").status_code == 200, name
        assert "<script>" not in page.text
        assert "style=" not in page.text


def test_a_token_becomes_a_cookie_that_scripts_and_other_sites_do_not_get(
    system: Running, completed: str
) -> None:
    with http(system) as api:
        answer = signed_in(api, ALICE)
        assert (answer.status_code, answer.content) == (204, b"")
        said = answer.headers["set-cookie"].lower()
        assert {"httponly", "samesite=strict", "path=/"} <= set(said.split("; "))
        assert "domain" not in said
        assert api.get("/").status_code == 200
        assert [s["id"] for s in api.get("/v1/overview").json()["sessions"]].count(completed) == 1
        assert api.get(f"/v1/sessions/{completed}/downloads/query3.csv").status_code == 200
        refused(api.post("/v1/sessions", json={}, headers={"Origin": "http://evil.example"}), 403)
        assert api.post("/logout").status_code == 204
        assert "coffeeshop" not in api.cookies
        refused(api.get("/v1/overview"), 401)


@pytest.mark.parametrize(
    "body", [{"token": "x"}, {"token": ""}, {"token": "a" * 1001}, {}, {"token": 1}, []]
)
def test_a_wrong_token_sets_no_cookie(system: Running, body: Any) -> None:
    with http(system) as api:
        answer = api.post("/login", json=body)
        assert answer.status_code in (403, 422)
        assert "set-cookie" not in answer.headers


def test_a_cookie_of_another_kind_is_not_taken_for_a_token(system: Running) -> None:
    with http(system) as api:
        for cookie in ("coffeeshop=x", "other=" + ALICE, "coffeeshop", "=;=;"):
            refused(api.get("/v1/sessions", headers={"Cookie": cookie}), 401)
