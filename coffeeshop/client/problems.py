"""Problem documents as the exceptions they stand for."""

from __future__ import annotations

import httpx2 as httpx

from coffeeshop.client.proxies import Proxy
from coffeeshop.errors import (
    BadData,
    CoffeeshopError,
    Forbidden,
    Misdirected,
    ProtocolError,
    SessionFailed,
    Unreachable,
    UsageError,
)
from coffeeshop.names import error_of as error_of_state

PROXY_WANTS_LOGIN = 407
RETRIED = (408, 429, 502, 503, 504)
"""Answers after which the same request may be carried out a little later."""


def error_of(response: httpx.Response, proxy: Proxy | None = None) -> CoffeeshopError:
    """The exception that a problem document stands for.

    An answer without one is not a gateway's: ``proxy`` is on the way, if there is one.
    """
    try:
        document = response.json()
        detail = str(document["detail"])
    except (ValueError, KeyError, TypeError):
        if proxy is not None:
            return by_proxy(proxy, f"{response.status_code} {response.reason_phrase}")
        document, detail = {}, f"the gateway answered {response.status_code}"
    match response.status_code:
        case 401 | 403:
            return Forbidden(detail)
        case 410:
            return error_of_state(str(document.get("state")), detail) or SessionFailed(detail)
        case 422 if "errors" not in document:
            return BadData(
                detail,
                line=document.get("line"),
                column=document.get("column"),
                value=document.get("value"),
            )
        case 409:
            return ProtocolError(detail)
        case status if status in RETRIED:
            return Unreachable(detail)
        case status if status < 500:
            refused = UsageError(detail)
            refused.hint = str(document.get("hint") or "")
            return refused
    return CoffeeshopError(detail)


def by_proxy(proxy: Proxy, said: str) -> Misdirected | Unreachable:
    """What a proxy itself answered: to be asked again if it only did not reach the gateway."""
    status = int(said[:3]) if said[:3].isdecimal() else 0
    detail = f"the proxy {proxy.shown} answered {said.strip()} instead of the gateway"
    if status in RETRIED:
        return Unreachable(detail)
    if status == PROXY_WANTS_LOGIN:
        detail += f": it wants a user and a password, as in {proxy.variable}=http://user:word@host"
    return Misdirected(f"{detail}; {proxy.advice}")
