"""Answers that hold something until they were sent."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import ExitStack, aclosing
from typing import Any

from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

PIECE = 256 << 10
"""Bytes given to the server at once. It takes the next when the client has read most of them."""


class ReleasingResponse(StreamingResponse):
    """Lets go of what it holds when all was sent, or when the client disconnects."""

    def __init__(self, content: Any, held: ExitStack, **how: Any) -> None:
        """``how`` as its base class has it."""
        super().__init__(content, **how)
        self._held = held

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """As its base class does."""
        with self._held:
            await super().__call__(scope, receive, send)

    async def stream_response(self, send: Send) -> None:
        """As its base class does, and closes the stream at once when the client goes."""
        async with aclosing(self.body_iterator):  # type: ignore[type-var]
            await super().stream_response(send)


def attachment(body: bytes, name: str, media_type: str, held: ExitStack) -> ReleasingResponse:
    """A file to be saved under that name; lets go of what it holds when it was sent."""
    headers = {
        "Content-Disposition": f'attachment; filename="{name}"',
        "Content-Length": str(len(body)),
    }
    return ReleasingResponse(in_pieces(body), held, media_type=media_type, headers=headers)


async def in_pieces(body: bytes) -> AsyncIterator[memoryview]:
    """A body piece by piece, so that what a slow client has not read waits here and not twice."""
    view = memoryview(body)
    for start in range(0, len(body), PIECE):
        yield view[start : start + PIECE]
