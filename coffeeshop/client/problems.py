"""Problem documents as the exceptions they stand for."""

from __future__ import annotations

import httpx2 as httpx

from coffeeshop.errors import (
    BadData,
    Cancelled,
    CoffeeshopError,
    Forbidden,
    ProtocolError,
    SessionFailed,
    Unreachable,
    UsageError,
)

RETRIED = (408, 429, 502, 503, 504)
"""Answers after which the same request may be carried out a little later."""


def error_of(response: httpx.Response) -> CoffeeshopError:
    """The exception that a problem document stands for."""
    try:
        document = response.json()
        detail = str(document["detail"])
    except (ValueError, KeyError, TypeError):
        document, detail = {}, f"the gateway answered {response.status_code}"
    match response.status_code:
        case 401 | 403:
            return Forbidden(detail)
        case 410 if document.get("state") == "cancelled":
            return Cancelled(detail)
        case 410:
            return SessionFailed(detail)
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
            return UsageError(detail)
    return CoffeeshopError(detail)
