"""HTTP as uvicorn speaks it, with bounds on what comes before and between bodies.

Without them a client that sends headers for ever fills the memory, and one that never ends a head
keeps its connection.
"""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEAD_BYTES = 64 << 10
"""Bytes in a row that belong to no body: a head, trailers, extensions of chunks."""
HEAD_SECONDS = 30.0
"""Seconds that a head may take, from its first byte or from the connection's beginning."""
TOO_LARGE = b"HTTP/1.1 431 Request Header Fields Too Large\r\nConnection: close\r\n\r\n"


class BoundedProtocol(HttpToolsProtocol):
    """One connection. Belongs to the event loop's thread."""

    _fruitless = 0
    _patience: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        """Expect a head."""
        super().connection_made(transport)
        self._expect_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Expect nothing more."""
        self._got_head()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Give up a connection whose bytes lead to nothing."""
        self._fruitless += len(data)
        super().data_received(data)
        if self._fruitless > HEAD_BYTES and not self.transport.is_closing():
            if self.cycle is None or self.cycle.response_complete:
                self.transport.write(TOO_LARGE)
            self.transport.close()

    def on_message_begin(self) -> None:
        """The first byte of a head."""
        self._expect_head()
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """The head is there."""
        self._fruitless = 0
        self._got_head()
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Some of the body is there."""
        self._fruitless = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """All of the body is there."""
        self._fruitless = 0
        super().on_message_complete()

    def _expect_head(self) -> None:
        self._got_head()
        self._patience = self.loop.call_later(HEAD_SECONDS, self._too_slow)

    def _got_head(self) -> None:
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None

    def _too_slow(self) -> None:
        self._patience = None
        self.transport.close()
