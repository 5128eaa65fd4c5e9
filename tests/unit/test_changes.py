"""Requests that wait for events of a session."""

from __future__ import annotations

import asyncio
import threading

import pytest

from coffeeshop.gateway.changes import SessionNews
from tests.running import PATIENCE


def test_what_is_there_already_is_found_without_waiting() -> None:
    assert asyncio.run(SessionNews().wait_for("s", lambda: "found", 0.0)) == "found"


def test_it_is_looked_again_after_each_event_of_the_session_only() -> None:
    news, looks = SessionNews(), list[str]()

    def find() -> str | None:
        looks.append("look")
        return "found" if len(looks) == 3 else None

    async def run() -> str | None:
        waiting = asyncio.ensure_future(news.wait_for("s", find, PATIENCE))
        await asyncio.sleep(0)
        for session in ("other", "s", "other", "s"):
            await asyncio.to_thread(news.tell, session)
            await asyncio.sleep(0.01)  # the loop takes it in
        return await waiting

    assert asyncio.run(run()) == "found"
    assert len(looks) == 3


def test_what_does_not_come_is_none_and_leaves_nothing_behind() -> None:
    news = SessionNews()
    assert asyncio.run(news.wait_for("s", lambda: None, 0.01)) is None
    assert news._waiting == {}


def test_what_is_raised_while_looking_is_raised_to_who_waits() -> None:
    def find() -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        asyncio.run(SessionNews().wait_for("s", find, PATIENCE))


def test_an_event_after_the_loop_has_ended_harms_no_one() -> None:
    news = SessionNews()
    loop = asyncio.new_event_loop()
    waiting = loop.create_task(news.wait_for("s", lambda: None, PATIENCE))
    loop.run_until_complete(asyncio.sleep(0))
    thread = threading.Thread(target=news.tell, args=("s",))
    thread.start()
    thread.join(PATIENCE)
    waiting.cancel()
    loop.run_until_complete(asyncio.sleep(0))
    loop.close()
    news.tell("s")
    assert news._waiting == {}
