"""Claims: which attempt is isolated, which task gives up, and whose turn it is."""

from __future__ import annotations

import pytest

from coffeeshop.actors.monitor import Hanging, TaskMonitor, Turnstile
from coffeeshop.errors import CodecError
from coffeeshop.pipeline.messages import Record, TaskId
from coffeeshop.pipeline.poison import MOST_ATTEMPTS, SAME_CULPRIT, Claim, RetryDecision, decide

OWN = Claim("filters.0", "own")


def claims(*in_progress: str) -> list[Claim]:
    """One dead attempt after the other, each with the record it last named."""
    return [Claim("filters.0", str(n), record) for n, record in enumerate(in_progress)]


def test_a_claim_survives_its_journal() -> None:
    claim = Claim("filters.0", "a", "batch transactions/0/3")
    assert Claim.of(Record.of(claim.record().message())) == claim


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b"\xff", b'{"attempt": "a"}'])
def test_what_is_no_claim_is_refused(body: bytes) -> None:
    with pytest.raises(CodecError, match="not a claim"):
        Claim.of(Record("claim", "claims", "filters.0", 0, body))


def test_the_first_two_attempts_name_nothing_and_the_third_is_isolated() -> None:
    assert decide([OWN], OWN) == RetryDecision()
    assert decide([*claims(""), OWN], OWN) == RetryDecision()
    assert decide([*claims("", ""), OWN], OWN) == RetryDecision(isolate=True)


def test_other_tasks_and_own_repeats_do_not_count() -> None:
    others = [Claim("filters.1", str(n), "x") for n in range(9)]
    assert decide([*others, OWN, OWN], OWN) == RetryDecision()


def test_three_attempts_that_died_over_one_record_are_beyond_hope() -> None:
    found = decide([*claims("", "", *["batch t/0/1"] * SAME_CULPRIT), OWN], OWN)
    assert found.give_up == "3 attempts of filters.0 died while working on batch t/0/1"


@pytest.mark.parametrize("last", [("a", "a"), ("a", "b", "a"), ("a", "a", ""), ("", "", "")])
def test_fewer_or_other_or_survived_records_are_no_reason_to_give_up(last: tuple[str, ...]) -> None:
    assert decide([*claims("", "", *last), OWN], OWN) == RetryDecision(isolate=True)


def test_a_record_that_was_survived_is_not_blamed() -> None:
    survived = [
        claim
        for n in range(5)
        for claim in (Claim("filters.0", str(n), "a"), Claim("filters.0", str(n)))
    ]
    assert decide([*survived, OWN], OWN) == RetryDecision(isolate=True)


@pytest.mark.parametrize(("last", "over"), [("", ""), ("b", ", the last one while working on b")])
def test_a_task_that_was_begun_too_often_is_beyond_hope(last: str, over: str) -> None:
    found = decide([*claims(*["a", ""] * (MOST_ATTEMPTS // 2 - 1), "a", last), OWN], OWN)
    assert found.give_up == f"{MOST_ATTEMPTS} attempts of filters.0 died{over}"


def test_turns_come_one_at_a_time_in_the_order_of_asking() -> None:
    turnstile, had = Turnstile(), list[str]()
    for who in ("a", "b", "c", "d"):
        turnstile.ask(who, lambda who=who: had.append(who))  # type: ignore[misc]
    assert had == ["a"]
    turnstile.give_back("c")  # no longer wants one
    turnstile.give_back("nobody")
    assert had == ["a"]
    turnstile.give_back("a")
    assert had == ["a", "b"]
    turnstile.give_back("b")
    turnstile.give_back("d")
    assert had == ["a", "b", "d"]
    turnstile.ask("a", lambda: had.append("again"))
    assert had[-1] == "again"


def test_a_task_hangs_when_it_is_at_one_record_for_too_long() -> None:
    monitor, task = TaskMonitor(), TaskId("s", "filters", 0)
    monitor.begins("attempt", task, "batch t/0/1", 10.0)
    assert monitor.hanging(14.0, 5.0) == []
    assert monitor.hanging(15.5, 5.0) == [Hanging(task, "batch t/0/1", 5.5)]


def test_an_attempt_that_ends_leaves_the_next_one_of_its_task_alone() -> None:
    monitor, task = TaskMonitor(), TaskId("s", "filters", 0)
    monitor.begins("first", task, "batch t/0/1", 10.0)
    monitor.begins("second", task, "batch t/0/0", 11.0)
    monitor.ends("first")
    assert monitor.at_work(15.0) == {task: ("batch t/0/0", 4.0)}
    monitor.ends("second")
    monitor.ends("second")
    assert monitor.at_work(15.0) == {}
