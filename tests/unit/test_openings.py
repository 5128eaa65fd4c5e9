"""Sessions of a campaign are not opened while a broker's node starts."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

from coffeeshop.testing.openings import Openings

PATIENCE = 60.0


def test_who_holds_waits_for_those_under_way_and_others_wait_for_the_end() -> None:
    openings = Openings()
    opened, told, held, done = (threading.Event() for _ in range(4))
    order: list[str] = []

    def first() -> None:
        with openings.one():
            opened.set()
            assert told.wait(PATIENCE)
            order.append("first")

    def hold() -> None:
        assert opened.wait(PATIENCE)
        with openings.held(PATIENCE):
            held.set()
            assert done.wait(PATIENCE)
            order.append("held")

    def second() -> None:
        assert held.wait(PATIENCE)
        with openings.one():
            order.append("second")

    with ThreadPoolExecutor(3) as pool:
        running = [pool.submit(each) for each in (first, hold, second)]
        told.set()
        assert held.wait(PATIENCE)
        done.set()
        for each in running:
            each.result(PATIENCE)
    assert order == ["first", "held", "second"]


def test_one_that_takes_too_long_is_not_waited_for() -> None:
    openings = Openings()
    with openings.one(), openings.held(0.0):
        pass
    with openings.one():
        pass
