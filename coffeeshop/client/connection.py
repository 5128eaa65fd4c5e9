"""How a client connects to a gateway: whom it believes, and what it shows."""

from __future__ import annotations

import os
import ssl
from pathlib import Path
from typing import Any

import httpx2 as httpx

from coffeeshop.client.proxies import Proxy
from coffeeshop.errors import UsageError

TIMEOUTS = httpx.Timeout(60.0, connect=5.0)
KEPT_CONNECTIONS = 8


def connection(
    url: str,
    token: str | None,
    ca_file: Path | None,
    proxy: Proxy | None = None,
    *,
    proxy_sees_token: bool = False,
) -> httpx.Client:
    """A client for the gateway at ``url``. ``ca_file`` vouches for it; None: whom the system, or
    SSL_CERT_FILE or SSL_CERT_DIR, believes.

    Raises `UsageError` when one of these is not what it should be, or when a proxy would read the
    token though it is not to (``proxy_sees_token``): through TLS it reads nothing.
    """
    # No bound on connections: a stream of events holds one for as long as its session lasts.
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=KEPT_CONNECTIONS)
    how: dict[str, Any] = {"headers": _bearer(token), "timeout": TIMEOUTS, "limits": limits}
    is_plain = url.lower().startswith("http:")
    if ca_file is not None:
        how["verify"] = _believing(ca_file)
    elif is_plain:
        # Trusts no authority, and so need not read the system's list of them: 40 ms of each start.
        how["verify"] = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    else:
        how["verify"] = _believing_as_the_environment_says()
    if proxy is not None and is_plain and token is not None and not proxy_sees_token:
        raise UsageError(
            f"the proxy {proxy.shown} would read the token on its way to {url}: use https, or "
            f"{proxy.advice}; COFFEESHOP_PROXY_SEES_TOKEN=1 allows it"
        )
    try:
        # The proxy was looked up already: the library would ask one about this machine, too.
        client = httpx.Client(base_url=url, trust_env=False, **how, **_through(proxy))
    except (httpx.InvalidURL, ValueError) as error:
        raise UsageError(f"not a gateway URL: {url}") from error
    if client.base_url.scheme not in ("http", "https") or not client.base_url.host:
        raise UsageError(f"not a gateway URL: {url} (it must begin with http:// or https://)")
    return client


def _through(proxy: Proxy | None) -> dict[str, Any]:
    if proxy is None:
        return {}
    try:
        known = httpx.Proxy(proxy.url)
        httpx.Client(proxy=known, trust_env=False, verify=False).close()
    except ImportError as error:
        raise UsageError(
            f"{proxy.shown} is a SOCKS proxy, for which the package socksio is not installed: "
            f"install it; {proxy.advice}"
        ) from error
    except (httpx.InvalidURL, ValueError) as error:
        raise UsageError(f"{proxy.shown} cannot be used as a proxy: {proxy.advice}") from error
    return {"proxy": known}


def _believing_as_the_environment_says() -> ssl.SSLContext:
    try:
        return httpx.create_ssl_context()
    except OSError as error:
        named = [name for name in ("SSL_CERT_FILE", "SSL_CERT_DIR") if os.environ.get(name)]
        files = ", ".join(f"{name}={os.environ[name]}" for name in named) or "the system's store"
        raise UsageError(f"{files}: no certificates to use: {error}") from error


def _bearer(token: str | None) -> dict[str, str]:
    if token is None:
        return {}
    if not (token.isascii() and token.isprintable()) or " " in token or not token:
        raise UsageError(
            "the token contains characters that tokens do not have: copy it again"
        )  # and is not shown: it may be a secret
    return {"Authorization": f"Bearer {token}"}


def _believing(ca_file: Path) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=ca_file)
    except OSError as error:
        raise UsageError(f"no CA certificates (PEM) in {ca_file}: {error}") from error
