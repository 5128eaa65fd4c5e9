"""Proxies and trust by the environment: used where they should be, never shown a token, named."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import trustme

from coffeeshop.client.complete_sessions import complete_sessions
from coffeeshop.client.gateway import GatewayClient
from coffeeshop.client.proxies import is_here, proxy_of
from coffeeshop.errors import Misdirected, Unreachable, UsageError
from coffeeshop.gateway.security.access import Access
from tests.running import running

VARIABLES = [
    name
    for each in ("http_proxy", "https_proxy", "all_proxy", "no_proxy", "request_method")
    for name in (each, each.upper())
]
GATEWAY = "http://gateway.example:9000"


class Proxy(ThreadingHTTPServer):
    """Answers everything itself, and keeps what it was asked."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.status, self.body = 403, b"<html>forbidden by the firm</html>"
        self.asked: list[tuple[str, str, dict[str, str]]] = []

    @property
    def place(self) -> str:
        return f"127.0.0.1:{self.server_address[1]}"


class Handler(BaseHTTPRequestHandler):
    server: Proxy

    def do_GET(self) -> None:
        headers = {key.lower(): value for key, value in self.headers.items()}
        self.server.asked.append((self.command, self.path, headers))
        self.send_response(self.server.status)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(self.server.body)))
        self.end_headers()
        self.wfile.write(self.server.body)

    do_POST = do_CONNECT = do_GET

    def log_message(self, format: str, *args: object) -> None:
        """A test has no log."""


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*VARIABLES, "SSL_CERT_FILE", "SSL_CERT_DIR"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def proxy(monkeypatch: pytest.MonkeyPatch) -> Iterator[Proxy]:
    made = Proxy()
    thread = threading.Thread(target=made.serve_forever, args=(0.01,))
    thread.start()
    for name in ("HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, f"http://user:secret@{made.place}")
    yield made
    made.shutdown()
    thread.join()
    made.server_close()


def client(url: str = GATEWAY, patience: float = 0.0, **how: object) -> GatewayClient:
    return GatewayClient(url, patience=patience, **how)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "LOCALHOST.",
        "a.localhost",
        "127.0.0.1",
        "127.8.9.1",
        "127.1",
        "::1",
        "::ffff:127.0.0.1",
        "0.0.0.0",
    ],
)
def test_this_machine_is_known_by_all_its_names(host: str) -> None:
    assert is_here(host)


@pytest.mark.parametrize("host", ["localhost.example", "example", "128.0.0.1", "10.0.0.1", "::2"])
def test_other_machines_are_not_this_one(host: str) -> None:
    assert not is_here(host)


@pytest.mark.parametrize(
    ("said", "url", "variable"),
    [
        ({"HTTP_PROXY": "p:1"}, GATEWAY, "HTTP_PROXY"),
        ({"http_proxy": "http://p:1"}, GATEWAY, "http_proxy"),
        ({"ALL_PROXY": "http://p:1"}, GATEWAY, "ALL_PROXY"),
        ({"HTTPS_PROXY": "http://p:1"}, GATEWAY, None),
        ({"HTTPS_PROXY": "http://p:1"}, "https://gateway.example", "HTTPS_PROXY"),
        ({"HTTP_PROXY": "p:1", "NO_PROXY": "*"}, GATEWAY, None),
        ({"HTTP_PROXY": "p:1", "NO_PROXY": "other,.example"}, GATEWAY, None),
        ({"HTTP_PROXY": "p:1", "NO_PROXY": "gateway.example"}, GATEWAY, None),
        ({"HTTP_PROXY": "p:1", "NO_PROXY": "ample"}, GATEWAY, "HTTP_PROXY"),
        ({"HTTP_PROXY": "p:1", "no_proxy": "10.0.0.0/8"}, "http://10.1.2.3:9000", None),
        ({"HTTP_PROXY": "p:1", "no_proxy": "10.0.0.0/8"}, "http://11.1.2.3:9000", "HTTP_PROXY"),
        ({"HTTP_PROXY": "p:1"}, "http://127.0.0.1:9000", None),
        ({"ALL_PROXY": "p:1"}, "http://[::1]:9000", None),
        ({"ALL_PROXY": "p:1"}, "nonsense", None),
        ({}, GATEWAY, None),
    ],
)
def test_the_environment_says_which_proxy_but_not_for_this_machine(
    monkeypatch: pytest.MonkeyPatch, said: dict[str, str], url: str, variable: str | None
) -> None:
    for name, value in said.items():
        monkeypatch.setenv(name, value)
    found = proxy_of(url)
    assert (found and (found.url, found.variable)) == (variable and ("http://p:1", variable))


def test_a_gateway_on_this_machine_is_not_asked_through_any_proxy(
    proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ALL_PROXY", "socks5://127.0.0.1:1080")
    with running(node=False) as system:
        for name in ("127.0.0.1", "localhost"):
            made = client(system.url.replace("127.0.0.1", name), token="not-needed")
            assert made.status()["nodes"] == 0
            made.close()
        assert complete_sessions(system.url, "not-needed") == []
    assert proxy.asked == []


def test_no_proxy_reads_a_token_unless_it_is_allowed_to(proxy: Proxy) -> None:
    wanted = f"would read the token on its way to {GATEWAY}: use https, or add gateway.example"
    with pytest.raises(UsageError, match=re.escape(wanted)) as refused:
        client(token="t0ken")
    assert "secret" not in str(refused.value)
    assert complete_sessions(GATEWAY, "t0ken") == []
    assert proxy.asked == []
    with pytest.raises(Misdirected):
        client("https://gateway.example", token="t0ken").status()
    with pytest.raises(Misdirected):
        client(token="t0ken", proxy_sees_token=True).status()
    (through, *_), (plain, _, headers) = proxy.asked
    assert (through, plain) == ("CONNECT", "GET")
    assert headers["authorization"] == "Bearer t0ken"
    assert "authorization" not in proxy.asked[0][2]


@pytest.mark.parametrize("url", [GATEWAY, "https://gateway.example"])
@pytest.mark.parametrize(("status", "kind"), [(403, Misdirected), (407, Misdirected)])
def test_what_a_proxy_answers_is_not_taken_for_the_gateways(
    proxy: Proxy, url: str, status: int, kind: type[Exception]
) -> None:
    proxy.status = status
    with pytest.raises(kind) as error:
        client(url, patience=60.0).status()  # at once: it would say so for ever
    words = str(error.value)
    assert f"the proxy http://{proxy.place} (HTTP" in words
    assert f"answered {status}" in words
    assert "add gateway.example to NO_PROXY" in words
    assert "secret" not in words
    assert ("wants a user and a password" in words) is (status == 407)
    assert len(proxy.asked) == 1


@pytest.mark.parametrize(("url", "status"), [(GATEWAY, 503), ("https://gateway.example", 502)])
def test_a_proxy_that_does_not_reach_the_gateway_is_asked_again_and_named(
    proxy: Proxy, url: str, status: int
) -> None:
    proxy.status = status
    with pytest.raises(Unreachable, match=rf"the proxy .* answered {status}") as error:
        client(url, patience=0.3).status()
    assert not isinstance(error.value, Misdirected)
    assert len(proxy.asked) > 1


def test_a_page_of_a_proxy_is_no_answer(proxy: Proxy) -> None:
    proxy.status, proxy.body = 200, b"<html>please log in</html>"
    with pytest.raises(Misdirected, match="answered something else instead of the gateway"):
        client().status()


def test_a_proxy_that_is_away_is_named(proxy: Proxy, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    with pytest.raises(Unreachable, match=r"through the proxy http://127.0.0.1:1 \(HTTP_PROXY\)"):
        client().status()


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("socks5://127.0.0.1:1080", "package socksio is not installed"),
        ("socks4://127.0.0.1:1080", "cannot be used as a proxy"),
        ("socks://127.0.0.1:1080", "cannot be used as a proxy"),
        ("http://[::1", "cannot be used as a proxy"),
    ],
)
def test_a_proxy_that_cannot_be_used_is_refused_by_its_variable(
    monkeypatch: pytest.MonkeyPatch, value: str, words: str
) -> None:
    monkeypatch.setenv("ALL_PROXY", value)
    with pytest.raises(UsageError, match=rf"ALL_PROXY\).*{words}.*add gateway.example to NO_PROXY"):
        client()


@pytest.mark.parametrize("variable", ["SSL_CERT_FILE"])
@pytest.mark.parametrize("content", [None, "no certificates"])
def test_certificates_that_cannot_be_read_are_refused_by_their_variable(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, variable: str, content: str | None
) -> None:
    file = tmp_path / "ca.pem"
    if content is not None:
        file.write_text(content)
    monkeypatch.setenv(variable, str(file))
    with pytest.raises(UsageError, match=f"{variable}=.*ca.pem: no certificates to use"):
        client("https://gateway.example")
    client().close()  # who needs none does not care


def test_whom_the_environment_believes_is_believed_and_nobody_else(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    ca, stranger = trustme.CA(), trustme.CA()
    certificate = tmp_path / "server.pem"
    ca.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(str(certificate))
    for name, each in (("ca", ca), ("stranger", stranger)):
        each.cert_pem.write_to_path(str(tmp_path / f"{name}.pem"))
    with running(node=False, access=Access(certificate=certificate)) as system:
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")
            made = client(system.url, patience=20.0)
            assert made.ready()
            made.close()
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "stranger.pem"))
        made = client(system.url, patience=60.0)
        with pytest.raises(Misdirected, match=r"is not trusted: .*; name who vouches .* --ca-file"):
            made.status()
        made.close()
