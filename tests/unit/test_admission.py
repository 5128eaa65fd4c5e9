"""How much a gateway takes at once."""

from __future__ import annotations

from contextlib import ExitStack

import pytest

from coffeeshop.gateway.admission import Admission, Limits
from coffeeshop.gateway.problems import Problem

LIMITS = Limits(in_memory=100, session_window=60, journals=1000, open_sessions=2)


def test_what_left_makes_room() -> None:
    admission = Admission(LIMITS)
    for _ in range(3):
        with admission.body("a", 60):
            assert admission.in_memory == 60
    assert (admission.in_memory, admission.refused) == (0, 0)


def test_a_session_beyond_its_window_is_told_to_slow_down() -> None:
    admission = Admission(LIMITS)
    with admission.body("a", 40), pytest.raises(Problem) as refused, admission.body("a", 21):
        pass
    assert (refused.value.status, refused.value.retry_after) == (429, 1)
    assert (admission.in_memory, admission.refused) == (0, 1)


def test_all_sessions_together_have_a_limit_too() -> None:
    admission = Admission(LIMITS)
    with (
        admission.body("a", 60),
        admission.body("b", 40),
        pytest.raises(Problem) as refused,
        admission.body("c", 1),
    ):
        pass
    assert (refused.value.status, refused.value.retry_after) == (503, 1)


def test_one_body_that_is_larger_than_a_window_gets_through_alone() -> None:
    admission = Admission(LIMITS)
    with admission.body("a", 400):
        assert admission.in_memory == 400


def test_room_is_given_back_when_the_request_fails() -> None:
    admission = Admission(LIMITS)
    with pytest.raises(ZeroDivisionError), admission.body("a", 60):
        raise ZeroDivisionError
    with admission.body("a", 60):
        pass


def test_empty_bodies_at_once_leave_nothing_behind() -> None:
    admission = Admission(LIMITS)
    with ExitStack() as stack:
        for size in (0, 0, 5, 0):
            stack.enter_context(admission.body("a", size))
        assert admission.in_memory == 5
    with admission.body("a", 60):
        assert admission.in_memory == 60
    assert admission.in_memory == 0


@pytest.mark.parametrize(("sessions", "journals"), [(2, 0), (0, 1000), (5, 5000)])
def test_no_session_is_opened_beyond_the_limits(sessions: int, journals: int) -> None:
    admission = Admission(LIMITS)
    with pytest.raises(Problem) as refused:
        admission.session(sessions, journals)
    assert (refused.value.status, refused.value.retry_after) == (503, 1)


def test_a_session_is_opened_within_the_limits() -> None:
    Admission(LIMITS).session(1, 999)
    Admission().session(999, 0)
