"""Who may do what at a gateway: tokens, owners, admins, hosts, origins, cookies, TLS, secrets."""

from __future__ import annotations

import asyncio
import json
import logging
import re
import socket
import ssl
import subprocess
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any

import httpx2 as httpx
import pytest
import structlog
import trustme

from coffeeshop.client.folder import open_folder
from coffeeshop.client.gateway import GatewayClient
from coffeeshop.client.part import csv_batch
from coffeeshop.client.remote import analyse
from coffeeshop.errors import Forbidden, ProtocolError, Unreachable, UsageError
from coffeeshop.gateway import state
from coffeeshop.gateway.access import Access, Guard
from coffeeshop.gateway.app import ROUTES
from coffeeshop.gateway.lifetimes import Lifetimes
from coffeeshop.gateway.server import GatewayServer
from coffeeshop.gateway.tokens import Tokens, line_of, new_token
from coffeeshop.generate import generate
from coffeeshop.messages import SessionSpec
from tests.acceptance.test_cli_gateway import command as command_line
from tests.acceptance.test_cli_gateway import environment as around
from tests.running import Running, eventually, http, new_id, running

ALICE, BOB, OPS = (f"{new_token()}" for _ in range(3))
WHO = {"alice": ALICE, "bob": BOB, "ops": OPS}
FILLED = {
    "table": "users",
    "number": "0",
    "query": "query1",
    "suffix": "csv",
    "path": "login.js",
}
OPEN = {"/healthz", "/readyz", "/login", "/logout", "/static/{path:path}"}
FOR_ADMINS = {"/v1/nodes", "/v1/status", "/v1/leftovers", "/metrics"}
API = sorted(
    (method, route.path)
    for module in ROUTES
    for route in module.router.routes
    for method in route.methods  # type: ignore[attr-defined]
)


@pytest.fixture(scope="module")
def tokens_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("access") / "tokens"
    lines = [line_of(name, token, admin=name == "ops") for name, token in WHO.items()]
    file.write_text("\n".join(lines))
    return file


@pytest.fixture(scope="module")
def system(tokens_file: Path) -> Iterator[Running]:
    with running(gateways=2, access=Access(Tokens(tokens_file))) as made:
        yield made


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits for word of sessions that do not exist."""
    monkeypatch.setattr(state, "NEWS_TIMEOUT", 0.02)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("access") / "shop"
    generate(folder, transactions=200, seed=5, layout="flat")
    return folder


@pytest.fixture(scope="module")
def completed(system: Running, data: Path) -> str:
    """A session of Alice's with results."""
    spec = SessionSpec(new_id())
    analyse(system.client(token=ALICE), open_folder(data), spec)
    for number in range(2):
        client = system.client(number, token=ALICE)
        eventually(lambda c=client: c.session(spec.id)["state"] == "completed", "its end is known")
    return spec.id


@pytest.fixture
def opened(system: Running) -> str:
    """An open session of Alice's."""
    spec = SessionSpec(new_id())
    system.client(token=ALICE).open(spec)
    return spec.id


def refused(answer: httpx.Response, status: int) -> None:
    assert answer.status_code == status, (answer.request.url, answer.text)
    assert answer.headers["content-type"] == "application/problem+json"
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
    return api.request(method, url, **content)


# Without a token, with a wrong one.


@pytest.mark.parametrize(("method", "path"), [e for e in API if e[1] not in OPEN | {"/"}])
@pytest.mark.parametrize("token", [None, "x", ALICE[:-1]])
def test_nobody_gets_anywhere_without_a_token(
    system: Running, completed: str, method: str, path: str, token: str | None
) -> None:
    with http(system, token=token) as api:
        answer = ask(api, method, path, completed)
        if method == "HEAD":
            assert answer.status_code == 401
        else:
            refused(answer, 401)


@pytest.mark.parametrize("path", ["/openapi.json", "/docs", "/redoc", "/nothing"])
def test_what_describes_the_api_needs_a_token_too(system: Running, path: str) -> None:
    with http(system) as api:
        refused(api.get(path), 401)


@pytest.mark.parametrize(
    "value",
    ["", "Bearer", f"bearer  {BOB}x", f"Basic {BOB}", BOB, f"Bearer {BOB} {BOB}", "Bearer \xff"],
)
def test_other_authorizations_are_none(system: Running, value: str) -> None:
    with http(system) as api:
        headers = {"Authorization": value.encode("latin-1")}
        refused(api.get("/v1/sessions", headers=headers), 401)  # type: ignore[arg-type]


def test_a_wrong_authorization_is_not_saved_by_a_cookie(system: Running) -> None:
    with http(system, token="x") as api:
        refused(api.get("/v1/sessions", headers={"Cookie": f"coffeeshop={ALICE}"}), 401)


def test_a_body_is_not_read_for_who_may_not_send_it(system: Running) -> None:
    def endless() -> Iterator[bytes]:
        for number in range(200):
            sent.append(number)
            yield b"x" * 65_536

    sent: list[int] = []
    with http(system) as api:
        path = f"/v1/sessions/{new_id()}/tables/users/batches/0"
        refused(api.put(path, content=endless()), 401)
    assert system.gateways[0].gateway.admission.in_memory == 0


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/login", "/static/login.js"])
def test_health_and_the_way_in_are_open(system: Running, path: str) -> None:
    with http(system) as api:
        assert api.get(path).status_code == 200


# Owners.


@pytest.mark.parametrize(
    ("method", "path"), [each for each in API if "{session}" in each[1]], ids=str
)
@pytest.mark.parametrize("number", [0, 1], ids=["the same replica", "another replica"])
def test_a_session_of_somebody_else_does_not_exist(
    system: Running, completed: str, opened: str, method: str, path: str, number: int
) -> None:
    with http(system, number, token=BOB) as api:
        for session in (completed, opened):
            refused(ask(api, method, path, session), 404)
    for each, expected in ((completed, "completed"), (opened, "open")):
        assert system.client(number, token=ALICE).session(each)["state"] == expected


def test_the_refusal_is_word_for_word_that_of_a_session_that_never_was(
    system: Running, completed: str
) -> None:
    other = new_id()
    with http(system, token=BOB) as api:
        first, second = (api.get(f"/v1/sessions/{each}") for each in (completed, other))
    assert first.text.replace(completed, "") == second.text.replace(other, "")
    ignored = {"date"}
    one, two = ({k: v for k, v in a.headers.items() if k not in ignored} for a in (first, second))
    assert one == two


def test_lists_show_each_client_its_own_and_an_admin_all(
    system: Running, completed: str, opened: str
) -> None:
    mine = new_id()
    system.client(token=BOB).open(SessionSpec(mine))
    for number, path in product(range(2), ("/v1/sessions", "/v1/overview")):

        def listed(who: str, number: int = number, path: str = path) -> set[str]:
            with http(system, number, token=WHO[who]) as api:
                found = api.get(path, params={"limit": 1000}).json()
            return {each["id"] for each in found["sessions"]}

        eventually(lambda: mine in listed("bob"), "the replica heard of it")
        assert {completed, opened} <= listed("alice")
        assert listed("alice").isdisjoint(listed("bob"))
        assert listed("ops") == listed("alice") | listed("bob")
    shown = system.client(token=OPS).session(mine)
    assert shown["owner"] == "bob"


def test_a_clients_overview_counts_its_own_sessions_and_shows_no_nodes(
    system: Running, completed: str
) -> None:
    with http(system, token=ALICE) as api:
        shown = api.get("/v1/overview").json()
    assert shown["status"]["sessions_completed"] == 1
    assert (shown["nodes"], shown["status"]["nodes"]) == ([], 0)
    with http(system, token=BOB) as api:
        shown = api.get("/v1/overview").json()
    assert shown["status"]["sessions_completed"] == 0
    with http(system, token=OPS) as api:
        eventually(lambda: api.get("/v1/overview").json()["nodes"], "the node is heard of")


def test_somebody_elses_id_cannot_be_joined_or_taken(system: Running, opened: str) -> None:
    for number in range(2):
        with pytest.raises(ProtocolError, match="other wishes"):
            system.client(number, token=BOB).open(SessionSpec(opened))
    assert system.client(token=ALICE).open(SessionSpec(opened))["owner"] == "alice"


def test_a_removed_session_is_gone_for_its_owner_and_never_was_for_others(
    system: Running, opened: str
) -> None:
    system.client(token=ALICE).delete(opened)
    with http(system, token=ALICE) as api:
        refused(api.get(f"/v1/sessions/{opened}"), 410)
        assert api.delete(f"/v1/sessions/{opened}").status_code == 204
    with http(system, token=BOB) as api:
        refused(api.get(f"/v1/sessions/{opened}"), 404)
        refused(api.delete(f"/v1/sessions/{opened}"), 404)


def test_an_admin_may_end_anybodys_session(system: Running, opened: str) -> None:
    system.client(token=OPS).cancel(opened)
    client = system.client(token=ALICE)
    eventually(lambda: client.session(opened)["state"] == "cancelled", "it is cancelled")


def test_sessions_made_without_tokens_are_seen_by_admins_only(
    system: Running, tokens_file: Path
) -> None:
    with running(node=False) as free:
        session = free.client().open(SessionSpec(new_id()))["id"]
        guarded = GatewayServer(
            free.transport, "127.0.0.1", 0, csv_batch, access=Access(Tokens(tokens_file))
        )
        free.gateways.append(guarded)
        guarded.start()
        with http(free, 1, token=ALICE) as api:
            refused(api.get(f"/v1/sessions/{session}"), 404)
        assert free.client(1, token=OPS).session(session)["owner"] == ""


# Admins.


@pytest.mark.parametrize("path", sorted(FOR_ADMINS))
def test_nodes_and_figures_are_for_admins(system: Running, path: str) -> None:
    with http(system, token=ALICE) as api:
        refused(api.get(path), 403)
    with http(system, token=OPS) as api:
        assert api.get(path).status_code == 200


def test_without_tokens_everybody_on_this_machine_is_an_admin() -> None:
    with running(node=False) as free, http(free) as api:
        assert all(api.get(path).status_code == 200 for path in FOR_ADMINS)
        assert api.get("/login").headers["location"] == "./"
        refused(api.post("/login", json={"token": "x"}), 403)


# Tokens that change.


def test_a_token_that_is_taken_away_counts_no_more(tmp_path: Path) -> None:
    file = tmp_path / "tokens"
    file.write_text(line_of("alice", ALICE))
    access = Access(Tokens(file))
    with running(node=False, access=access) as system, http(system, token=ALICE) as api:
        assert api.get("/v1/sessions").status_code == 200
        file.write_text(line_of("bob", BOB))
        refused(api.get("/v1/sessions"), 401)
        file.write_text(line_of("alice", ALICE))
        access.reread()
        assert api.get("/v1/sessions").status_code == 200


# Hosts and origins.


@pytest.fixture(scope="module")
def free() -> Iterator[Running]:
    access = Access(allowed_hosts=frozenset({"coffee.example"}))
    with running(node=False, access=access) as made:
        yield made


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


def signed_in(api: httpx.Client, token: str) -> httpx.Response:
    return api.post("/login", json={"token": token}, headers={"Origin": str(api.base_url)})


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


# TLS.


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("tls")
    authority = trustme.CA()
    leaf = authority.issue_cert("127.0.0.1", "localhost")
    names = {name: folder / f"{name}.pem" for name in ("ca", "cert", "key")}
    authority.cert_pem.write_to_path(names["ca"])
    leaf.private_key_pem.write_to_path(names["key"])
    names["cert"].write_bytes(b"".join(each.bytes() for each in leaf.cert_chain_pems))
    return names


def test_over_tls_an_analysis_is_the_same_and_the_cookie_is_secure(
    tls: dict[str, Path], tokens_file: Path, data: Path
) -> None:
    access = Access(Tokens(tokens_file), certificate=tls["cert"], key=tls["key"])
    with running(access=access) as system:
        client = GatewayClient(system.url, token=ALICE, ca_file=tls["ca"])
        try:
            _, tables, _ = analyse(client, open_folder(data), SessionSpec(new_id()))
        finally:
            client.close()
        assert len(tables) == 5
        trusted = ssl.create_default_context(cafile=tls["ca"])
        with http(system, verify=trusted) as api:
            said = signed_in(api, ALICE).headers["set-cookie"].lower()
            assert said.startswith("__host-coffeeshop=")
            assert "secure" in said.split("; ")
            assert api.get("/v1/sessions").status_code == 200
        stranger = GatewayClient(system.url, token=ALICE, patience=0.0)
        with pytest.raises(Unreachable, match="certificate"):
            stranger.sessions()
        stranger.close()


@pytest.mark.parametrize("wrong", ["no certificate", "no key", "no file"])
def test_a_certificate_that_is_none_is_an_error_at_once(
    tls: dict[str, Path], tmp_path: Path, free: Running, wrong: str
) -> None:
    access = {
        "no certificate": Access(certificate=tls["key"]),
        "no key": Access(certificate=tls["cert"]),
        "no file": Access(certificate=tmp_path / "none"),
    }[wrong]
    with pytest.raises(UsageError, match="no certificate and key"):
        GatewayServer(free.transport, "127.0.0.1", 0, csv_batch, access=access)


# Where it listens.


def test_it_lets_nobody_in_whom_it_does_not_ask(free: Running, tokens_file: Path) -> None:
    for host in ("0.0.0.0", "::", "192.0.2.1", "example.org"):
        with pytest.raises(UsageError, match="--tokens"):
            GatewayServer(free.transport, host, 0, csv_batch)
        Access(Tokens(tokens_file)).check_host(host)
        Access(insecure=True).check_host(host)
    for host in ("127.0.0.1", "127.9.9.9", "::1", "localhost"):
        Access().check_host(host)


# The client.


def test_a_client_without_the_right_token_is_told_so_at_once(system: Running) -> None:
    for token in (None, "wrong"):
        with pytest.raises(Forbidden, match="token") as error:
            system.client(token=token).sessions()
        assert error.value.exit_code == 5
    with pytest.raises(Forbidden, match="admin"):
        system.client(token=ALICE).nodes()


@pytest.mark.parametrize("token", ["", "a b", "a\nb", "é", "\x00"])
def test_a_token_that_cannot_be_one_is_refused_and_not_shown(token: str) -> None:
    with pytest.raises(UsageError) as error:
        GatewayClient("http://localhost", token=token)
    assert str(error.value) == "what should be a token is none"


def test_a_file_that_vouches_for_nobody_is_refused(tmp_path: Path) -> None:
    (tmp_path / "ca").write_text("hello")
    for name in ("ca", "none"):
        with pytest.raises(UsageError, match="holds no certificates"):
            GatewayClient("https://localhost", ca_file=tmp_path / name)


# Secrets.


def test_no_token_is_in_any_log_or_any_answer(
    tokens_file: Path, data: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    seen: list[str] = []

    def keep(logger: Any, method: str, event: Any) -> Any:
        seen.append(repr(event))
        raise structlog.DropEvent

    before = structlog.get_config()["processors"]
    records = logging.getLogger()
    level = records.level
    structlog.configure(processors=[keep])
    records.setLevel(logging.DEBUG)
    try:
        with running(access=Access(Tokens(tokens_file))) as system:
            analyse(system.client(token=ALICE), open_folder(data), SessionSpec(new_id()))
            with http(system) as api:
                signed_in(api, ALICE)
                for body in ({"token": ALICE, "more": 1}, {"token": [ALICE]}, ALICE):
                    seen.append(api.post("/login", json=body).text)
                seen.append(api.post("/login", content=f'{{"token": "{ALICE}').text)
                seen.append(api.get(f"/v1/{ALICE}").text)
            with http(system, token=ALICE) as api:
                seen.append(api.get("/v1/nodes").text)
            with http(system, token=ALICE + "x") as api:
                seen.append(api.get("/v1/nodes").text)
            tokens_file.touch()
            with http(system, token=ALICE) as api:
                seen.append(api.get("/v1/sessions").text)
    finally:
        structlog.configure(processors=before)
        records.setLevel(level)
    out, err = capfd.readouterr()
    assert any("tokens_read" in line for line in seen)
    for text in (*seen, out, err):
        assert ALICE not in text


# The command line.


def command(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command_line(*arguments),
        env=around(**environment),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_the_command_shows_its_token_from_a_file_or_the_environment(
    system: Running, completed: str, tmp_path: Path
) -> None:
    (tmp_path / "token").write_text(f"{ALICE}\n")
    file, there = str(tmp_path / "token"), {"COFFEESHOP_GATEWAY": system.url}
    for arguments, environment in (
        (("--token-file", file), {}),
        ((), {"COFFEESHOP_TOKEN": ALICE}),
        ((), {"COFFEESHOP_TOKEN_FILE": file}),
        (("--token-file", file), {"COFFEESHOP_TOKEN": BOB}),
    ):
        done = command("sessions", "-q", "--limit", "1000", *arguments, **there, **environment)
        assert completed in done.stdout.split(), done.stderr
    for environment in ({}, {"COFFEESHOP_TOKEN": "x"}):
        done = command("sessions", **there, **environment)
        assert done.returncode == 5
        assert "a token is needed" in done.stderr
    missing = command("sessions", "--token-file", str(tmp_path / "none"), **there)
    assert missing.returncode == 2


def test_a_token_made_by_the_command_opens_the_gateway(tmp_path: Path) -> None:
    made = json.loads(command("token", "carol", "--json").stdout)
    printed = command("token", "carol", "--admin").stdout
    assert re.fullmatch(
        r"token  coffeeshop_\S{43}\nline   carol admin sha256:[0-9a-f]{64}\n", printed
    )
    (tmp_path / "tokens").write_text(made["line"])
    access = Access(Tokens(tmp_path / "tokens"))
    with running(node=False, access=access) as system:
        assert system.client(token=made["token"]).sessions() == []
    assert command("token", "a b").returncode == 2


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--host", "0.0.0.0"), "--tokens"),
        (("--tokens", "none"), "cannot be read"),
        (("--tls-key", "key.pem"), "--tls-cert"),
    ],
)
def test_a_gateway_that_would_let_everybody_in_does_not_start(
    options: tuple[str, ...], said: str
) -> None:
    done = command("run-node", "--type", "gateway", *options)
    assert done.returncode == 2
    assert said in done.stderr


def test_sessions_outlive_a_change_of_replica_with_their_owner(tokens_file: Path) -> None:
    access, short = Access(Tokens(tokens_file)), Lifetimes()
    with running(node=False, access=access, lifetimes=short) as system:
        session = system.client(token=ALICE).open(SessionSpec(new_id()))["id"]
        later = GatewayServer(system.transport, "127.0.0.1", 0, csv_batch, access=access)
        system.gateways.append(later)
        later.start()
        assert system.client(1, token=ALICE).session(session)["owner"] == "alice"
        with http(system, 1, token=BOB) as api:
            refused(api.get(f"/v1/sessions/{session}"), 404)


def test_what_is_no_request_goes_through_the_guard() -> None:
    seen: list[str] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append(scope["type"])

    async def nothing(*message: Any) -> Any:
        raise AssertionError

    Access().reread()  # of no file
    asyncio.run(Guard(app, Access())({"type": "lifespan"}, nothing, nothing))
    assert seen == ["lifespan"]
