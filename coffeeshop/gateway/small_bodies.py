"""Every request body but that of input is small: read, within bounds, before anybody parses it."""

from __future__ import annotations

import re

from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from coffeeshop.gateway.bodies import MAX_JSON, announced_size, read_body
from coffeeshop.gateway.problems import Problem

INPUT = re.compile(r"/v1/sessions/[^/]+/tables/[^/]+/(?:batches/[^/]+|files)")
NAMES = "/v1/folder"
MAX_NAMES = 8 << 20


class SmallBodies:
    """ASGI middleware. Answers 413 and 408 itself."""

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
