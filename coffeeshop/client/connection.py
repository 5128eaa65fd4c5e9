"""How a client connects to a gateway: whom it believes, and what it shows."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Any

import httpx2 as httpx

from coffeeshop.errors import UsageError

TIMEOUTS = httpx.Timeout(60.0, connect=5.0)
KEPT_CONNECTIONS = 8


def connection(url: str, token: str | None, ca_file: Path | None) -> httpx.Client:
    """A client for the gateway at ``url``. ``ca_file`` vouches for it; None: whom the system
    believes.

    Raises `UsageError` when one of these is not what it should be.
    """
    # No bound on connections: a stream of events holds one for as long as its session lasts.
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=KEPT_CONNECTIONS)
    how: dict[str, Any] = {"headers": _bearer(token), "timeout": TIMEOUTS, "limits": limits}
    if ca_file is not None:
        how["verify"] = _believing(ca_file)
    elif url.lower().startswith("http:"):
        # Believes nobody, and so need not read whom the system believes: 40 ms of each start.
        how["verify"] = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        client = httpx.Client(base_url=url, **how)
    except (httpx.InvalidURL, ValueError) as error:
        raise UsageError(f"not a gateway URL: {url}") from error
    if client.base_url.scheme not in ("http", "https") or not client.base_url.host:
        raise UsageError(f"not a gateway URL: {url} (it must begin with http:// or https://)")
    return client


def _bearer(token: str | None) -> dict[str, str]:
    if token is None:
        return {}
    if not (token.isascii() and token.isprintable()) or " " in token or not token:
        raise UsageError(
            "the token has characters that no token has"
        )  # and is not shown: it may be a secret
    return {"Authorization": f"Bearer {token}"}


def _believing(ca_file: Path) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=ca_file)
    except OSError as error:
        raise UsageError(f"no CA certificates (PEM) in {ca_file}: {error}") from error
