"""What is missing: when a task asks for it, and what a gateway does about it."""

from __future__ import annotations

from itertools import count

import pytest

from coffeeshop.errors import CodecError
from coffeeshop.pipeline.messages import Record, SessionSpec, TaskId
from coffeeshop.pipeline.plan import plan_named
from coffeeshop.pipeline.progress import Gap, Ledger
from coffeeshop.pipeline.repair import (
    IN_VAIN,
    LONGEST_PAUSE,
    MOST_ASKED,
    CountAsGone,
    GapWatch,
    Missing,
    Recompute,
    Repairs,
    RepeatEnd,
    done,
    in_words,
    makers_of,
    numbers_of,
)
from coffeeshop.schema import TABLES
from coffeeshop.transport import Delivery, Message

AFTER = 5.0
FUSED = SessionSpec("s", "fused", 1, 2)
STAGED = SessionSpec("s", "staged", 1, 2)
FILTER = TaskId("s", "filters", 1)
QUERY1 = TaskId("s", "aggregator_query1", 0)
ENDED = {(table, "0"): 3 for table in TABLES}
BATCHES = Gap("transactions", "0", 9, ((1, 5), (7, 7)), 2)
NO_END = Gap("transactions", "0", None)
PARTIAL = Gap("query1_partial", "filters.1", 1, ((0, 0),))
BATCH = Record("batch", "transactions", "0", 1)


def ask(gap: Gap, asked: int = 0, task: str = "filters.1") -> Record:
    return Missing(task, gap, asked).record()


# What a ledger misses.


def test_a_ledger_names_the_runs_of_its_own_numbers_that_it_has_not_seen() -> None:
    ledger = Ledger({"t": ["0", "1"]}, partition=1, partitions=3)
    for number in (1, 10, 13):
        ledger.admit("t", "1", number)
    ledger.end("t", "1", 25)
    assert ledger.gaps(9) == [Gap("t", "1", 25, ((4, 7), (16, 22)), 3), Gap("t", "0", None, (), 3)]
    assert ledger.gaps(1)[0].ranges == ((4, 7),)
    for run in ledger.gaps(9)[0].ranges:
        for number in numbers_of([run], 3):
            assert ledger.admit("t", "1", number)
    assert ledger.gaps(9) == [Gap("t", "0", None, (), 3)]


def test_what_is_missing_travels_as_a_record() -> None:
    missing = Missing("filters.1", BATCHES, 4)
    assert Missing.of(Record.of(missing.record().message())) == missing
    assert Missing.of(ask(NO_END)).gap == Gap("transactions", "0", None)


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b'{"task": "t"}', b'{"task":"t","count":1,"ranges":[[1]],"step":1}',
     b'{"task":"t","count":1,"ranges":[[1,2]],"step":0}'],
)  # fmt: skip
def test_what_is_no_request_is_refused(body: bytes) -> None:
    with pytest.raises(CodecError, match="not a request"):
        Missing.of(Record("missing", "stores", "0", 0, body))


def test_only_batches_of_tables_are_for_clients_and_their_event_names_them() -> None:
    assert Missing.of(ask(BATCHES)).event() == {
        "table": "transactions",
        "producer": "0",
        "ranges": [[1, 5], [7, 7]],
        "step": 2,
        "asked": 0,
    }
    assert [Missing("t", gap).is_of_a_client for gap in (BATCHES, NO_END, PARTIAL)] == [
        True,
        False,
        False,
    ]


def test_people_are_told_the_first_numbers() -> None:
    assert in_words(BATCHES) == "batches 1, 3, 5, 7 of transactions from producer 0"
    assert in_words(PARTIAL) == "batch 0 of query1_partial from producer filters.1"
    assert in_words(NO_END) == "the end of transactions from producer 0"
    assert "0, 1, 2, 3, 4 and more" in in_words(Gap("t", "0", 9, ((0, 8),)))


# When a task asks.


class Journal:
    """One task's journal, and the attempt that reads it."""

    def __init__(self, attempt: str = "mine") -> None:
        self.watch = GapWatch(attempt, 0.0, AFTER)
        self.offsets = count()
        self.admitted = 0

    def entry(self, record: Record, now: float, *, new: bool = False) -> bool:
        self.admitted += new
        return self.take(next(self.offsets), record, now)

    def take(self, offset: int, record: Record, now: float) -> bool:
        delivery = Delivery(offset, Message())
        return self.watch.took(delivery, record, self.admitted, now)

    def marker(self, now: float) -> Record:
        made = self.watch.marker(now)
        assert made is not None
        return made


def test_a_task_asks_when_it_reads_its_marker_after_a_quiet_time() -> None:
    journal = Journal()
    assert not journal.entry(BATCH, 1.0, new=True)
    assert journal.watch.marker(5.9) is None
    marker = journal.marker(6.0)
    assert (marker.kind, marker.producer) == ("marker", "mine")
    assert journal.entry(marker, 6.1)
    assert not journal.entry(marker, 6.2), "once"


def test_a_task_does_not_ask_when_something_new_came_before_the_marker() -> None:
    journal = Journal()
    marker = journal.marker(5.0)
    assert not journal.entry(BATCH, 5.1, new=True)
    assert not journal.entry(marker, 5.2)
    assert journal.watch.due_at == 5.1 + AFTER


def test_repeats_are_nothing_new() -> None:
    journal = Journal()
    marker = journal.marker(5.0)
    assert not journal.entry(BATCH, 5.1)
    assert journal.entry(marker, 5.2)


def test_a_task_does_not_ask_before_it_has_read_everything_before_the_marker() -> None:
    journal = Journal()
    marker = journal.marker(5.0)
    assert not journal.take(2, marker, 5.1)
    assert not journal.take(0, BATCH, 5.2)
    assert journal.take(1, BATCH, 5.3)


def test_markers_of_other_attempts_and_older_ones_are_nothing() -> None:
    journal = Journal()
    old = journal.marker(5.0)  # the broker lost it, or it is slow
    new = journal.marker(10.0)
    assert not journal.entry(Journal("another").marker(5.0), 10.1)
    assert not journal.entry(old, 10.1)
    assert journal.entry(new, 10.2)


def test_a_task_that_is_far_behind_makes_ever_fewer_markers() -> None:
    journal, made = Journal(), []
    for now in range(400):
        if journal.watch.marker(float(now)) is not None:
            made.append(now)
    assert made[:6] == [5, 10, 20, 40, 80, 140]
    assert made[-1] - made[-2] == AFTER * LONGEST_PAUSE


def test_a_task_asks_again_ever_more_rarely_until_something_comes() -> None:
    journal, now, pauses = Journal(), 0.0, []
    for _ in range(7):
        pauses.append(journal.watch.due_at - now)
        now = journal.watch.due_at
        assert journal.entry(journal.marker(now), now)
        journal.watch.requests("filters.1", [BATCHES], now)
    assert pauses == [AFTER * n for n in (1, 2, 4, 8, 12, 12, 12)]
    assert pauses[-1] == AFTER * LONGEST_PAUSE
    journal.entry(BATCH, now, new=True)
    assert journal.watch.due_at == now + AFTER
    journal.entry(journal.marker(now + AFTER), now + AFTER)
    (request,) = journal.watch.requests("filters.1", [BATCHES], now + AFTER)
    assert Missing.of(request).asked == 0


def test_a_task_that_waits_for_ends_only_asks_more_rarely_still() -> None:
    journal, now = Journal(), 0.0
    for _ in range(9):
        now = journal.watch.due_at
        assert journal.entry(journal.marker(now), now)
        journal.watch.requests("filters.1", [NO_END], now)
    assert journal.watch.due_at - now == 2 * AFTER * LONGEST_PAUSE


def test_one_turn_asks_for_some_producers_and_the_next_ones_for_the_others() -> None:
    gaps = [Gap("t", str(n), 1, ((0, 0),)) for n in range(MOST_ASKED + 3)]
    watch = GapWatch("mine", 0.0, AFTER)
    turns = [watch.requests("filters.1", gaps, 0.0) for _ in range(3)]
    assert [len(turn) for turn in turns] == [MOST_ASKED, 3, MOST_ASKED]
    assert {r.producer for turn in turns[:2] for r in turn} == {gap.producer for gap in gaps}


# What a gateway does.


class Gateway:
    """Feeds the records of an out journal to one session's repairs."""

    def __init__(self, spec: SessionSpec = FUSED) -> None:
        self.repairs = Repairs(spec, patience=60.0, stalled_after=100.0)
        self.offsets = count()
        self.tables = dict(ENDED)
        self.complete: set[str] = set()

    def feed(self, record: Record, now: float = 0.0) -> list[object]:
        offset = next(self.offsets)
        self.repairs.heard(now)
        return [*self.repairs.feed(record, offset, now, self.tables, self.complete)]

    def stalled(self, now: float) -> list[object]:
        return [*self.repairs.stalled(now, self.tables, self.complete)]


def test_batches_of_clients_are_left_to_their_clients() -> None:
    assert Gateway().feed(ask(BATCHES)) == []


def test_the_end_of_a_table_is_repeated_once_it_is_known() -> None:
    gateway = Gateway()
    assert gateway.feed(ask(NO_END)) == [RepeatEnd("transactions", "0", 3)]
    del gateway.tables["transactions", "0"]
    assert gateway.feed(ask(NO_END)) == []


def test_a_task_is_recomputed_once_it_is_done_and_once_for_all_who_ask() -> None:
    gateway = Gateway()
    assert gateway.feed(ask(PARTIAL)) == [], "it may be on its way"
    assert gateway.feed(done(FILTER)) == []
    assert gateway.feed(ask(PARTIAL)) == [Recompute(FILTER, 3)]
    assert gateway.feed(ask(PARTIAL, task="aggregator_query2.0")) == []
    gateway.feed(done(FILTER))
    assert gateway.feed(ask(PARTIAL)) == [Recompute(FILTER, 6)]


def test_a_task_whose_word_was_lost_is_recomputed_when_it_is_asked_for_in_vain() -> None:
    gateway = Gateway()
    found = [gateway.feed(ask(PARTIAL, asked)) for asked in range(IN_VAIN + 1)]
    assert found == [[]] * IN_VAIN + [[Recompute(FILTER, IN_VAIN + 1)]]


def test_a_task_that_is_done_without_its_result_is_recomputed() -> None:
    gateway = Gateway()
    assert gateway.feed(done(QUERY1)) == [Recompute(QUERY1, 1)]
    gateway.complete.add("query1")
    assert gateway.feed(done(QUERY1)) == []
    assert gateway.feed(Record("done", "tasks", "nobody.0", 0)) == []


def test_the_maker_of_a_map_is_the_task_that_was_given_its_source() -> None:
    stream = "transactions_in_years"
    first, second = (TaskId("s", "filter_year", p) for p in (0, 1))
    assert makers_of(STAGED, Gap(stream, "0", 9, ((1, 1), (5, 7)), 2)) == [second]
    assert makers_of(STAGED, Gap(stream, "0", None)) == [first, second]
    assert makers_of(STAGED, Gap("query2_partial", "filter_year.0", 1)) == [first]


def test_a_client_that_does_not_answer_for_its_time_counts_as_gone() -> None:
    gateway = Gateway()
    found = [gateway.feed(ask(BATCHES, asked), 20.0 * asked) for asked in range(IN_VAIN + 1)]
    assert found[:-1] == [[]] * IN_VAIN
    assert isinstance(found[-1][0], CountAsGone)


def test_a_client_has_its_time_however_often_it_is_asked() -> None:
    gateway = Gateway()
    assert not any(gateway.feed(ask(BATCHES, asked), 1.0 * asked) for asked in range(30))


def test_a_client_that_answered_has_all_its_time_again() -> None:
    gateway = Gateway()
    for asked in range(IN_VAIN):
        gateway.feed(ask(BATCHES, asked), 20.0 * asked)
    gateway.feed(ask(BATCHES, 0), 100.0)  # something new had come
    assert not any(gateway.feed(ask(BATCHES, n), 101.0 + n) for n in range(IN_VAIN + 1))


def test_a_client_that_still_uploads_is_not_given_up() -> None:
    gateway = Gateway()
    del gateway.tables["stores", "0"]
    assert not any(gateway.feed(ask(BATCHES, n), 90.0 * n) for n in range(3 * IN_VAIN))


def test_after_a_long_silence_the_tasks_that_owe_results_are_assigned_again() -> None:
    gateway = Gateway()
    gateway.complete = {"query1", "query3", "query4", "query2_best_selling"}
    assert gateway.stalled(0.0) == []
    assert gateway.stalled(99.0) == []
    owing = TaskId("s", "aggregator_query2", 0)
    assert gateway.stalled(101.0) == [Recompute(owing, 1)], "its first assignment has 0"
    assert gateway.stalled(150.0) == [], "ever more rarely"
    assert gateway.stalled(201.0) == [Recompute(owing, 2)], "another one: nodes take each once"
    gateway.feed(Record("done", "tasks", "filters.0", 0), 210.0)
    assert gateway.stalled(300.0) == []


def test_a_silence_counts_from_its_beginning_whichever_process_looks() -> None:
    gateway = Gateway()
    gateway.repairs.heard(-90.0)
    assert gateway.stalled(0.0) == []
    gateway.repairs.heard(-95.0)
    assert gateway.stalled(11.0), "an older sign of life says nothing new"


def test_a_silence_is_answered_ever_more_rarely_without_end() -> None:
    gateway = Gateway()
    times = [now for now in range(0, 1_000_000, 50) if gateway.stalled(now)]
    assert times == [100 * 2**n for n in range(14)]


def test_another_keeper_that_sees_the_same_silence_asks_under_another_number() -> None:
    found = []
    for now in (101.0, 250.0):
        gateway = Gateway()
        gateway.repairs.heard(0.0)
        found.append({repair.repair for repair in gateway.stalled(now)})  # type: ignore[attr-defined]
    assert found == [{1}, {2}]


def test_a_session_that_is_not_uploaded_may_be_silent() -> None:
    gateway = Gateway()
    gateway.tables.clear()
    assert gateway.stalled(0.0) == []
    assert gateway.stalled(10_000.0) == []


def test_every_stream_between_stages_has_a_maker() -> None:
    for spec in (FUSED, STAGED):
        plan = plan_named(spec.plan)
        for stage in plan.stages:
            for stream in set(stage.inputs) - TABLES.keys():
                producer = plan.producers(stream, spec)[0]
                assert makers_of(spec, Gap(stream, producer, 1, ((0, 0),)))
