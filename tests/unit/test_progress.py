"""Completion is counting: any order, any repeats, any number of producers."""

from __future__ import annotations

import random

import pytest

from coffeeshop.errors import ProtocolError
from coffeeshop.pipeline.progress import IntervalSet, Ledger, Waiting


def _set(*numbers: int) -> IntervalSet:
    found = IntervalSet()
    for number in numbers:
        found.add(number)
    return found


def test_an_empty_set_has_no_member_and_no_highest() -> None:
    empty = IntervalSet()
    assert len(empty) == 0
    assert 0 not in empty
    assert empty.highest() == -1
    assert empty.runs() == []


def test_a_number_is_added_once() -> None:
    numbers = IntervalSet()
    assert numbers.add(3)
    assert not numbers.add(3)
    assert len(numbers) == 1


def test_neighbours_join_into_one_run() -> None:
    assert _set(0, 2).runs() == [(0, 1), (2, 3)]
    assert _set(0, 2, 1).runs() == [(0, 3)]
    assert _set(1, 0).runs() == [(0, 2)]
    assert _set(0, 1).runs() == [(0, 2)]


def test_the_ends_of_a_run_are_half_open() -> None:
    numbers = _set(4, 5, 6)
    assert 3 not in numbers
    assert 4 in numbers
    assert 6 in numbers
    assert 7 not in numbers
    assert numbers.highest() == 6


def test_a_shuffled_dense_range_is_one_run() -> None:
    order = list(range(500))
    random.Random(7).shuffle(order)
    numbers = _set(*order)
    assert numbers.runs() == [(0, 500)]
    assert len(numbers) == 500


def test_a_set_agrees_with_a_python_set() -> None:
    chance = random.Random(11)
    numbers, model = IntervalSet(), set[int]()
    for _ in range(400):
        number = chance.randrange(60)
        assert numbers.add(number) is (number not in model)
        model.add(number)
        assert len(numbers) == len(model)
        assert numbers.highest() == max(model)
    assert [n for n in range(70) if n in numbers] == sorted(model)


def _one(partition: int = 0, partitions: int = 1) -> Ledger:
    return Ledger({"t": ["0"]}, partition=partition, partitions=partitions)


def test_a_task_without_inputs_is_complete() -> None:
    assert Ledger({}).complete


def test_the_end_before_the_batches_completes_with_the_last_batch() -> None:
    ledger = _one()
    assert ledger.end("t", "0", 2)
    assert ledger.admit("t", "0", 1)
    assert not ledger.complete
    assert ledger.admit("t", "0", 0)
    assert ledger.complete
    assert ledger.waiting() == []


def test_the_batches_before_the_end_complete_with_the_end() -> None:
    ledger = _one()
    ledger.admit("t", "0", 0)
    assert not ledger.complete
    ledger.end("t", "0", 1)
    assert ledger.complete


def test_an_empty_stream_completes_with_its_end() -> None:
    ledger = _one()
    ledger.end("t", "0", 0)
    assert ledger.complete


def test_repeats_are_told_and_do_not_count_twice() -> None:
    ledger = _one()
    assert ledger.admit("t", "0", 0)
    assert not ledger.admit("t", "0", 0)
    assert ledger.end("t", "0", 2)
    assert not ledger.end("t", "0", 2)
    assert not ledger.admit("t", "0", 0)
    assert not ledger.complete
    assert ledger.admit("t", "0", 1)
    assert not ledger.admit("t", "0", 1)
    assert not ledger.end("t", "0", 2)
    assert ledger.complete


def test_every_producer_of_every_stream_must_end() -> None:
    ledger = Ledger({"t": ["0", "1"], "u": ["0"]})
    ledger.end("t", "0", 0)
    ledger.end("u", "0", 0)
    assert not ledger.complete
    assert ledger.waiting() == [Waiting("t", "1", None)]
    ledger.end("t", "1", 0)
    assert ledger.complete


def test_producers_number_their_batches_independently() -> None:
    ledger = Ledger({"t": ["0", "1"]})
    assert ledger.admit("t", "0", 0)
    assert ledger.admit("t", "1", 0)
    ledger.end("t", "0", 1)
    ledger.end("t", "1", 1)
    assert ledger.complete


def test_waiting_names_the_missing_batches() -> None:
    ledger = _one()
    assert ledger.waiting() == [Waiting("t", "0", None)]
    ledger.admit("t", "0", 1)
    ledger.end("t", "0", 4)
    assert ledger.waiting() == [Waiting("t", "0", 3)]


@pytest.mark.parametrize(
    ("partition", "partitions", "count", "share"),
    [
        (0, 2, 5, [0, 2, 4]),
        (1, 2, 5, [1, 3]),
        (0, 3, 3, [0]),
        (2, 3, 3, [2]),
        (2, 3, 2, []),
        (3, 4, 0, []),
        (0, 4, 1, [0]),
    ],
)
def test_a_partition_waits_for_its_share_only(
    partition: int, partitions: int, count: int, share: list[int]
) -> None:
    ledger = _one(partition, partitions)
    ledger.end("t", "0", count)
    for number in share:
        assert not ledger.complete
        assert ledger.admit("t", "0", number)
    assert ledger.complete


def test_a_number_of_another_partition_is_refused() -> None:
    with pytest.raises(ProtocolError, match="batch 1 of t is not of partition 0"):
        _one(0, 2).admit("t", "0", 1)


def test_a_negative_number_is_refused() -> None:
    with pytest.raises(ProtocolError):
        _one().admit("t", "0", -1)


def test_an_unknown_producer_or_stream_is_refused() -> None:
    with pytest.raises(ProtocolError, match="'9' is not an announced producer of 't'"):
        _one().admit("t", "9", 0)
    with pytest.raises(ProtocolError):
        _one().end("u", "0", 0)


def test_a_batch_at_the_ended_count_is_refused() -> None:
    ledger = _one()
    ledger.end("t", "0", 1)
    with pytest.raises(ProtocolError, match="ended the table with 1 batches"):
        ledger.admit("t", "0", 1)
    assert ledger.admit("t", "0", 0)


def test_a_changed_count_is_refused() -> None:
    ledger = _one()
    ledger.end("t", "0", 3)
    with pytest.raises(ProtocolError, match="with 2 batches, and before with 3"):
        ledger.end("t", "0", 2)


def test_a_count_below_a_seen_batch_is_refused() -> None:
    ledger = _one()
    ledger.admit("t", "0", 2)
    with pytest.raises(ProtocolError, match="sent more"):
        ledger.end("t", "0", 2)
    assert ledger.end("t", "0", 3)


def test_a_count_below_a_seen_batch_of_a_partition_is_refused() -> None:
    ledger = _one(1, 2)
    ledger.admit("t", "0", 3)
    with pytest.raises(ProtocolError):
        ledger.end("t", "0", 3)
    assert ledger.end("t", "0", 4)


@pytest.mark.parametrize("seed", range(20))
def test_completion_comes_with_the_last_new_fact_in_any_order(seed: int) -> None:
    facts: list[tuple[str, str, int | None]] = [
        (stream, producer, number)
        for stream in ("t", "u")
        for producer in ("0", "1")
        for number in (None, 0, 1, 2)
    ]
    chance = random.Random(seed)
    order = facts + chance.sample(facts, 6)
    chance.shuffle(order)
    ledger = Ledger({"t": ["0", "1"], "u": ["0", "1"]})
    known = set[tuple[str, str, int | None]]()
    for stream, producer, number in order:
        if number is None:
            new = ledger.end(stream, producer, 3)
        else:
            new = ledger.admit(stream, producer, number)
        assert new is ((stream, producer, number) not in known)
        known.add((stream, producer, number))
        assert ledger.complete is (len(known) == len(facts))
