"""Ids of sessions for a shell's completion: one quick question to a gateway.

With the standard library: `client.gateway` takes longer to import than a person likes to wait.
"""

from __future__ import annotations

import json
import ssl
from http.client import HTTPException
from pathlib import Path
from typing import Any
from urllib.request import HTTPSHandler, OpenerDirector, ProxyHandler, Request, build_opener

from coffeeshop.client.proxies import proxy_of

TIMEOUT = 0.5
LARGEST_ANSWER = 1 << 20


def complete_sessions(
    url: str, token: str | None = None, ca_file: Path | None = None, limit: int = 50
) -> list[dict[str, Any]]:
    """The newest sessions (``id``, ``state`` and ``name`` of each); none if anything goes wrong.

    Blocks for about half a second at most.
    """
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    try:
        if not url.startswith(("http://", "https://")):
            return []
        request = Request(f"{url.rstrip('/')}/v1/sessions?limit={limit}", headers=headers)
        with _opener(url, token, ca_file).open(request, timeout=TIMEOUT) as answer:
            return _sessions(json.loads(answer.read(LARGEST_ANSWER)))
    except (OSError, ValueError, HTTPException):
        return []  # a gateway that does not answer completes nothing


def _opener(url: str, token: str | None, ca_file: Path | None) -> OpenerDirector:
    """As `client.connection` connects. Raises `OSError` where a proxy would read the token."""
    is_plain, proxy = url.startswith("http:"), proxy_of(url)
    if proxy is not None and is_plain and token is not None:
        raise OSError("not shown to a proxy")
    proxies = {} if proxy is None else {"http": proxy.url, "https": proxy.url}
    if is_plain:
        return build_opener(ProxyHandler(proxies))
    trust = ssl.create_default_context(cafile=ca_file)
    return build_opener(ProxyHandler(proxies), HTTPSHandler(context=trust))


def _sessions(document: Any) -> list[dict[str, Any]]:
    found = document.get("sessions") if isinstance(document, dict) else None
    return [
        {key: str(each.get(key, "")) for key in ("id", "state", "name")}
        for each in (found if isinstance(found, list) else [])
        if isinstance(each, dict)
    ]
