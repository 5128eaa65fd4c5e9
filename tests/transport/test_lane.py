"""A lane makes calls one after the other, as the faults for tests need it."""

from __future__ import annotations

import pytest

from coffeeshop.testing.passing import Lane
from tests.transport.heard import (
    Heard,
)


def test_a_lane_makes_calls_in_order_also_those_that_come_from_a_call() -> None:
    lane, made = Lane(), Heard[int]()

    def first() -> None:
        lane.put(lambda: made(2))
        made(1)

    lane.put(first)
    assert made.all == [1, 2]


def test_a_lane_goes_on_after_a_call_that_raised() -> None:
    lane, made = Lane(), Heard[int]()

    def fail() -> None:
        raise ValueError("on purpose")

    with pytest.raises(ValueError, match="on purpose"):
        lane.put(fail)
    lane.put(lambda: made(1))
    assert made.all == [1]


def test_a_held_lane_makes_its_calls_when_it_is_run_and_forgets_dropped_ones() -> None:
    held = True
    lane, made = Lane(lambda: held), Heard[int]()
    lane.put(lambda: made(1))
    lane.drop()
    lane.put(lambda: made(2))
    lane.run()
    assert made.all == []
    held = False
    lane.run()
    assert made.all == [2]
