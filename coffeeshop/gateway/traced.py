"""Requests that go on with their client's trace."""

from __future__ import annotations

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from coffeeshop.observability import tracing


class Traced:
    """ASGI middleware: what a request leads to is under the span that its header names."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer the request; without that header as ever."""
        above = Headers(scope=scope).get(tracing.HEADER, "") if scope["type"] == "http" else ""
        with tracing.under(above):
            await self._app(scope, receive, send)
