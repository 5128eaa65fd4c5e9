"""A queue makes calls one after the other, as the faults for tests need it."""

from __future__ import annotations

import pytest

from coffeeshop.testing.forwarding import SerialQueue
from tests.transport.heard import (
    Heard,
)


def test_a_lane_makes_calls_in_order_also_those_that_come_from_a_call() -> None:
    queue, made = SerialQueue(), Heard[int]()

    def first() -> None:
        queue.put(lambda: made(2))
        made(1)

    queue.put(first)
    assert made.all == [1, 2]


def test_a_lane_goes_on_after_a_call_that_raised() -> None:
    queue, made = SerialQueue(), Heard[int]()

    def fail() -> None:
        raise ValueError("on purpose")

    with pytest.raises(ValueError, match="on purpose"):
        queue.put(fail)
    queue.put(lambda: made(1))
    assert made.all == [1]


def test_a_held_lane_makes_its_calls_when_it_is_run_and_forgets_dropped_ones() -> None:
    held = True
    queue, made = SerialQueue(lambda: held), Heard[int]()
    queue.put(lambda: made(1))
    queue.drop()
    queue.put(lambda: made(2))
    queue.run()
    assert made.all == []
    held = False
    queue.run()
    assert made.all == [2]
