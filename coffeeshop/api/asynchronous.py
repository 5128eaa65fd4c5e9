"""The client for programs with an event loop: the same calls, awaited."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from typing import Any

from coffeeshop.api.client import Client, Folder
from coffeeshop.api.results import Results
from coffeeshop.api.sessions import Session
from coffeeshop.client.sse import Event
from coffeeshop.errors import CoffeeshopError


class AsyncClient:
    """A `Client` whose calls are awaited; they run on threads, so the event loop never waits.

    Use it as an asynchronous context manager, or `close` it. A `Session` that it gives is the
    same as that of a `Client`: its calls block, so await `results`, `watch` and `cancel` here.
    """

    def __init__(self, url: str | None = None, **how: Any) -> None:
        """The arguments of `Client`; raises as it does."""
        self._client = Client(url, **how)

    @property
    def url(self) -> str | None:
        """The gateway's address; None for this process."""
        return self._client.url

    async def submit(self, folder: Folder | None = None, **how: Any) -> Results:
        """`Client.submit` with its arguments, but for ``wait``.

        Cancelling the task that awaits it cancels the session. ``on_progress`` and ``on_open`` are
        called from a thread.
        """
        found = await self._submitted(folder, {**how, "wait": True})
        assert isinstance(found, Results)
        return found

    async def start(self, folder: Folder | None = None, **how: Any) -> Session:
        """`Client.submit` with ``wait=False``; cancelled as `submit` is."""
        found = await self._submitted(folder, {**how, "wait": False})
        assert isinstance(found, Session)
        return found

    async def _submitted(self, folder: Folder | None, how: dict[str, Any]) -> Results | Session:
        loop = asyncio.get_running_loop()
        begun: asyncio.Future[str] = loop.create_future()
        told = how.pop("on_open", None)

        def opened(session_id: str) -> None:
            if told is not None:
                told(session_id)
            loop.call_soon_threadsafe(begun.set_result, session_id)

        submit: Callable[..., Results | Session] = self._client.submit
        work = asyncio.ensure_future(asyncio.to_thread(submit, folder, on_open=opened, **how))
        try:
            return await asyncio.shield(work)
        except asyncio.CancelledError:
            await self._abandon(work, begun)
            raise

    async def _abandon(
        self, work: asyncio.Future[Results | Session], begun: asyncio.Future[str]
    ) -> None:
        either: set[asyncio.Future[Any]] = {work, begun}
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        if begun.done() and not work.done():
            # When it has ended meanwhile, or no gateway answers, there is nothing to cancel.
            with suppress(CoffeeshopError):
                await self.cancel(begun.result())
        await asyncio.wait({work})
        work.exception()  # the task that awaited it has left

    async def sessions(self, state: str | None = None, limit: int = 100) -> list[Session]:
        """`Client.sessions`."""
        return await asyncio.to_thread(self._client.sessions, state, limit)

    async def get(self, session_id: str) -> Session:
        """`Client.get`."""
        return await asyncio.to_thread(self._client.get, session_id)

    async def results(self, session_id: str, timeout: float | None = None) -> Results:
        """`Client.results`."""
        return await asyncio.to_thread(self._client.results, session_id, timeout)

    async def cancel(self, session_id: str) -> None:
        """`Client.cancel`."""
        await asyncio.to_thread(self._client.cancel, session_id)

    async def watch(self, session_id: str) -> AsyncIterator[Event]:
        """`Client.watch`: an asynchronous iterator of a session's events."""
        events = iter(await asyncio.to_thread(self._client.watch, session_id))
        while (event := await asyncio.to_thread(next, events, None)) is not None:
            yield event

    async def close(self) -> None:
        """`Client.close`."""
        await asyncio.to_thread(self._client.close)

    async def __aenter__(self) -> AsyncClient:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()
