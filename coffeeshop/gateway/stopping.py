"""Requests that a stopping gateway does not wait for any longer."""

from __future__ import annotations

import asyncio

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from coffeeshop.gateway.problems import RETRY_SECONDS, Problem


class SentAway:
    """ASGI middleware: a request that is cancelled without an answer is told to come again.

    The server cancels what is under way when it has waited long enough, for a broker that is away
    perhaps. Left alone it would answer 500 then, which a client takes for the last word.
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
