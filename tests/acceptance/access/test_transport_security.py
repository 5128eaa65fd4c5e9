"""TLS, where a gateway listens, and that no token is told to anybody."""

from __future__ import annotations

import logging
import ssl
from pathlib import Path
from typing import Any

import pytest
import structlog
import trustme

from coffeeshop.client.gateway import GatewayClient
from coffeeshop.client.remote import analyse
from coffeeshop.errors import Unreachable, UsageError
from coffeeshop.gateway.security.access import Access
from coffeeshop.gateway.security.tokens import Tokens
from coffeeshop.gateway.server import GatewayServer
from coffeeshop.pipeline.messages import SessionSpec
from coffeeshop.reading.folder import open_folder
from tests.acceptance.access.requests import ALICE, signed_in
from tests.running import Running, http, new_id, running

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
    with pytest.raises(UsageError, match="certificate and key"):
        GatewayServer(free.transport, "127.0.0.1", 0, access=access)


# Where it listens.


def test_it_lets_nobody_in_whom_it_does_not_ask(free: Running, tokens_file: Path) -> None:
    for host in ("0.0.0.0", "::", "192.0.2.1", "example.org"):
        with pytest.raises(UsageError, match="--tokens"):
            GatewayServer(free.transport, host, 0)
        Access(Tokens(tokens_file)).check_host(host)
        Access(insecure=True).check_host(host)
    for host in ("127.0.0.1", "127.9.9.9", "::1", "localhost"):
        Access().check_host(host)


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
