"""HTTP as uvicorn speaks it, with bounds on what comes before, between and after bodies.

Without them a client that sends headers or requests for ever fills the memory, and one that never
ends a head, goes on after its answer or does not read it keeps its connection.
"""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEAD_BYTES = 64 << 10
"""Bytes in a row that belong to no body: a head, trailers, extensions of chunks."""
HEAD_SECONDS = 30.0
"""Seconds that a head may take, from its first byte or from the connection's beginning."""
MOST_WAITING = 500
"""Requests on one connection that wait for the answer to an earlier one."""
UNWANTED_BYTES = 64 << 20
"""Bytes of a body that still come after its answer: more than any body that is taken has."""
UNREAD_SECONDS = 60.0
"""Seconds in which a client that was sent an answer reads some of it."""
TOO_LARGE = b"HTTP/1.1 431 Request Header Fields Too Large\r\nConnection: close\r\n\r\n"


class BoundedProtocol(HttpToolsProtocol):
    """One connection. Belongs to the event loop's thread."""

    _fruitless = 0
    _unwanted = 0
    _unread = 0
    _patience: asyncio.TimerHandle | None = None
    _reading: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        """Expect a head."""
        super().connection_made(transport)
        self._expect_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Expect nothing more."""
        self._got_head()
        self._is_read()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Give up a connection whose bytes lead to nothing."""
        self._fruitless += len(data)
        super().data_received(data)
        if self._fruitless > HEAD_BYTES and not self.transport.is_closing():
            if self.cycle is None or self._is_answered():
                self.transport.write(TOO_LARGE)
            self.transport.close()
        if self._patience is None and self._is_answered() and not self.transport.is_closing():
            self._expect_head()  # what comes after an answer has stopped uvicorn's own clock

    def on_message_begin(self) -> None:
        """The first byte of a head."""
        self._expect_head()
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """The head is there."""
        self._fruitless = 0
        self._unwanted = 0
        self._got_head()
        super().on_headers_complete()
        if len(self.pipeline) > MOST_WAITING:
            self.transport.abort()

    def on_body(self, body: bytes) -> None:
        """Some of the body is there."""
        self._fruitless = 0
        if self._is_answered():
            self._unwanted += len(body)
            if self._unwanted > UNWANTED_BYTES:
                self.transport.abort()
        super().on_body(body)

    def on_message_complete(self) -> None:
        """All of the body is there."""
        self._fruitless = 0
        super().on_message_complete()

    def pause_writing(self) -> None:
        """The client does not read its answer as fast as it is written."""
        super().pause_writing()
        self._is_read()
        self._unread = self.transport.get_write_buffer_size()
        self._reading = self.loop.call_later(UNREAD_SECONDS, self._look_at_unread)

    def resume_writing(self) -> None:
        """It has caught up."""
        self._is_read()
        super().resume_writing()

    def _look_at_unread(self) -> None:
        unread = self.transport.get_write_buffer_size()
        if unread >= self._unread:
            self.transport.abort()
        else:
            self._unread = unread
            self._reading = self.loop.call_later(UNREAD_SECONDS, self._look_at_unread)

    def _is_read(self) -> None:
        if self._reading is not None:
            self._reading.cancel()
            self._reading = None

    def _is_answered(self) -> bool:
        return self.cycle is not None and bool(self.cycle.response_complete)

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
