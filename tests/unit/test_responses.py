"""Answers that hold something until they were sent."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import ExitStack, suppress
from typing import Any

import pytest
from starlette.types import Message

from coffeeshop.gateway import responses
from coffeeshop.gateway.responses import ReleasingResponse, in_pieces

SCOPE: dict[str, Any] = {"type": "http", "asgi": {"version": "3.0", "spec_version": "2.4"}}


class Client:
    """Reads an answer piece by piece when told to."""

    def __init__(self) -> None:
        self.reads = asyncio.Semaphore(0)
        self.got: list[bytes] = []
        self.released = asyncio.Event()

    async def receive(self) -> Message:
        await asyncio.Event().wait()
        raise AssertionError

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.body":
            await self.reads.acquire()
            self.got.append(bytes(message["body"]))

    def answer(self, content: AsyncIterator[Any]) -> asyncio.Task[None]:
        held = ExitStack()
        held.callback(self.released.set)
        response = ReleasingResponse(content, held)
        return asyncio.create_task(response(SCOPE, self.receive, self.send))


def test_what_an_answer_holds_is_let_go_when_its_last_piece_is_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(responses, "PIECE", 4)

    async def reads() -> None:
        client = Client()
        answer = client.answer(in_pieces(b"0123456789"))
        for _ in range(3):  # three pieces, and the word that there is no more
            client.reads.release()
            await asyncio.sleep(0)
        assert not client.released.is_set()
        client.reads.release()
        await answer
        assert client.released.is_set()
        assert client.got == [b"0123", b"4567", b"89", b""]

    asyncio.run(reads())


def test_what_an_answer_holds_is_let_go_when_its_client_leaves() -> None:
    closed = asyncio.Event()

    async def endless() -> AsyncIterator[bytes]:
        try:
            while True:
                yield b"x"
        finally:
            closed.set()

    async def leaves() -> None:
        client = Client()
        answer = client.answer(endless())
        client.reads.release()
        await asyncio.sleep(0)
        answer.cancel()
        with suppress(asyncio.CancelledError):
            await answer
        assert client.released.is_set()
        assert closed.is_set()

    asyncio.run(leaves())


def test_an_empty_answer_is_one() -> None:
    async def reads() -> None:
        client = Client()
        client.reads.release()
        await client.answer(in_pieces(b""))
        assert client.got == [b""]

    asyncio.run(reads())
