"""How much a gateway takes at once."""

from __future__ import annotations

from contextlib import AbstractContextManager, ExitStack, suppress

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
    small, usual = Admission(LIMITS), Admission()
    small.session(1, 999)
    usual.session(999, 0)
    assert (small.refused, usual.refused) == (0, 0)
    with pytest.raises(Problem):
        small.session(2, 999)
    assert small.refusals["open_sessions"] == 1


def refused(inside: AbstractContextManager[object], status: int) -> None:
    with pytest.raises(Problem) as problem, inside:
        pass
    assert problem.value.status == status


def test_answers_that_wait_for_their_readers_are_bounded_for_each_and_all() -> None:
    admission = Admission(Limits(answers=100, client_answers=50))
    with admission.response_bytes("alice") as hold:
        hold(60)  # how large it is nobody knew before
        refused(admission.response_bytes("alice"), 429)
        with admission.response_bytes("bob") as hold_too, admission.response_bytes("") as nobodys:
            hold_too(30)
            nobodys(10)
            assert admission.answers == 100
            refused(admission.response_bytes("carol"), 503)
            refused(admission.response_bytes(""), 503)
        with admission.response_bytes("bob"):
            pass
    assert admission.answers == 0
    with admission.response_bytes("alice"):
        pass
    assert (admission.refusals["client_answers"], admission.refusals["answers"]) == (1, 2)


def test_an_answer_that_fails_holds_nothing() -> None:
    admission = Admission(Limits(answers=1))
    for _ in range(2):
        with suppress(ZeroDivisionError), admission.response_bytes("a") as hold:
            hold(5)
            raise ZeroDivisionError
        assert admission.answers == 0


def test_listeners_are_bounded_for_each_and_all() -> None:
    admission = Admission(Limits(listeners=3, client_listeners=2))
    for _ in range(2):
        with ExitStack() as stack:
            for name in ("alice", "alice", ""):
                stack.enter_context(admission.listening(name))
            refused(admission.listening("bob"), 503)
        with admission.listening("alice"), admission.listening("alice"):
            refused(admission.listening("alice"), 429)
    assert admission.refused == 4
