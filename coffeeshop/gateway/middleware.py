"""ASGI middleware around every request: shutdown, trace context, limits of bodies."""

from __future__ import annotations

import asyncio
import re

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from coffeeshop.gateway.bodies import MAX_JSON, announced_size, read_body
from coffeeshop.gateway.problems import RETRY_SECONDS, Problem
from coffeeshop.observability import tracing

INPUT = re.compile(r"/v1/sessions/[^/]+/tables/[^/]+/(?:batches/[^/]+|files)")
NAMES = "/v1/folder"
MAX_NAMES = 8 << 20


class ShutdownMiddleware:
    """A request that is cancelled without an answer is told to come again.

    The server cancels what is under way when it has waited long enough, for a broker that is away
    perhaps. Left alone it would answer 500 then, which a client does not repeat.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer the request."""
        begun = False

        async def begin(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        try:
            await self._app(scope, receive, begin)
        except asyncio.CancelledError:
            if begun:
                raise
            answer = Problem(
                503, "the gateway is stopping; send the request again", retry_after=RETRY_SECONDS
            ).response()
            await answer(scope, receive, send)


class TraceContextMiddleware:
    """What a request leads to is under the span that its header names."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer the request; without that header as ever."""
        above = Headers(scope=scope).get(tracing.HEADER, "") if scope["type"] == "http" else ""
        with tracing.under(above):
            await self._app(scope, receive, send)


class BodyLimitMiddleware:
    """Reads every body but that of input before anybody parses it. Answers 413 and 408 itself."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let the application see a body that is there already."""
        if scope["type"] != "http" or INPUT.fullmatch(scope["path"]):
            await self._app(scope, receive, send)
            return
        request = Request(scope, receive)
        largest = MAX_NAMES if scope["path"] == NAMES else MAX_JSON
        try:
            announced_size(request, largest)
            body = await read_body(request, largest)
        except Problem as error:
            await error.response()(scope, receive, send)
        else:
            await self._app(scope, _replay(body, receive), send)


def _replay(body: bytes, receive: Receive) -> Receive:
    first: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def replayed() -> Message:
        return first.pop() if first else await receive()

    return replayed
