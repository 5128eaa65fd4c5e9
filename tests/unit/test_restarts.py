"""When and whom to restart: values in, values out."""

from __future__ import annotations

import random

import pytest

from coffeeshop.actors.restarts import Failures, Intensity
from coffeeshop.clock import Backoff


def test_as_many_failures_as_the_intensity_allows_are_borne() -> None:
    failures = Failures(Intensity(3, 30))
    assert [failures.add(at) for at in (0, 1, 2)] == [True] * 3
    assert not failures.add(3)


def test_failures_older_than_the_window_are_forgotten() -> None:
    failures = Failures(Intensity(2, 10))
    assert failures.add(0)
    assert failures.add(1)
    assert failures.add(11)  # the one at 1 is exactly as old as the window and still counts
    assert len(failures) == 2
    assert failures.add(21.5)
    assert len(failures) == 1


def test_no_restart_at_all_may_be_allowed() -> None:
    assert not Failures(Intensity(0, 10)).add(0)


def test_a_failure_once_in_a_window_never_exceeds_the_intensity() -> None:
    failures = Failures(Intensity(1, 5))
    assert all(failures.add(at) for at in range(0, 600, 6))


def test_delays_double_up_to_the_most() -> None:
    backoff = Backoff(0.2, 10)
    longest = [backoff.delay(attempt, lambda: 1.0) for attempt in range(1, 9)]
    assert longest == pytest.approx([0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 10, 10])


def test_a_delay_is_jittered_between_its_half_and_its_whole() -> None:
    backoff = Backoff(1, 100)
    assert backoff.delay(3, lambda: 0.0) == pytest.approx(2)
    chance = random.Random(5)
    delays = [backoff.delay(3, chance.random) for _ in range(200)]
    assert all(2 <= delay < 4 for delay in delays)
    assert len(set(delays)) > 190


def test_a_very_late_attempt_waits_the_most_and_overflows_nothing() -> None:
    assert Backoff().delay(100_000, lambda: 0.0) == pytest.approx(5.0)
