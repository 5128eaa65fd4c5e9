"""A session's out journal, read once: its results, its end, who hears of it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from coffeeshop.errors import Cancelled, JournalGone, SessionFailed, SessionTimeout
from coffeeshop.pipeline.messages import Record, out_journal
from coffeeshop.pipeline.plan import PLANS
from coffeeshop.sessions.events import End
from coffeeshop.sessions.outcome import Outcomes, SessionOutcome
from coffeeshop.sessions.reread import PROBE_AFTER
from coffeeshop.sessions.results import Pieces, Update
from coffeeshop.testing.clock import VirtualClock
from coffeeshop.transport import Message
from coffeeshop.transport.memory import MemoryTransport
from tests.running import PATIENCE, eventually, readers_of
from tests.unit.helpers import ANSWER, tuples
from tests.unit.test_events import RECORDS, SPEC

OUT = out_journal(SPEC.id)
RECORDS_END = len(RECORDS) - 1


@pytest.fixture
def transport() -> Iterator[MemoryTransport]:
    made = MemoryTransport()
    made.declare_journal(OUT)
    yield made
    made.close()


def outcome(transport: MemoryTransport, pieces: Pieces | None = None) -> SessionOutcome:
    return SessionOutcome(transport, SPEC, VirtualClock(), pieces)


def append(transport: MemoryTransport, *messages: Message) -> None:
    for message in messages:
        transport.append(OUT, message, lambda outcome: None)


@pytest.mark.parametrize("query", PLANS["fused"].results)
def test_a_complete_result_is_its_table(transport: MemoryTransport, query: str) -> None:
    append(transport, *(record.message() for record in RECORDS))
    assert tuples(outcome(transport).table(query, PATIENCE)) == ANSWER[query]


def test_a_result_whose_last_record_is_a_batch_is_its_table(transport: MemoryTransport) -> None:
    append(transport, *(record.message() for record in reversed(RECORDS)))
    made = outcome(transport)
    assert made.end(PATIENCE) is not None
    for query in PLANS["fused"].results:
        assert tuples(made.table(query, PATIENCE)) == ANSWER[query]


def test_a_result_is_there_though_the_session_failed_later(transport: MemoryTransport) -> None:
    mine = [record for record in RECORDS if record.stream == "query1"]
    failed = Record("failed", "session", "x", 0, b"why")
    append(transport, *(record.message() for record in [*mine, failed]))
    assert tuples(outcome(transport).table("query1", PATIENCE)) == ANSWER["query1"]


@pytest.mark.parametrize(
    ("stream", "kind"),
    [("session", SessionFailed), ("cancelled", Cancelled), ("aborted", SessionFailed)],
)
def test_a_session_that_ended_before_says_how(
    transport: MemoryTransport, stream: str, kind: type[Exception]
) -> None:
    append(transport, RECORDS[0].message(), Record("failed", stream, "x", 0, b"why").message())
    with pytest.raises(kind, match="why"):
        outcome(transport).table("query3", PATIENCE)


def test_a_journal_that_is_gone_is_said(transport: MemoryTransport) -> None:
    transport.delete_journal(OUT)
    with pytest.raises(JournalGone):
        outcome(transport).table("query1", PATIENCE)


def test_what_cannot_be_read_fails_the_session(transport: MemoryTransport) -> None:
    append(transport, Message({}, b"?"))
    with pytest.raises(SessionFailed, match="the results cannot be read"):
        outcome(transport).table("query1", PATIENCE)


def test_a_result_that_does_not_come_in_time_is_a_timeout(transport: MemoryTransport) -> None:
    append(transport, RECORDS[0].message())
    with pytest.raises(SessionTimeout, match="did not deliver query3 of s"):
        outcome(transport).table("query3", 0.01)


def test_each_result_is_read_once_and_those_that_were_not_kept_once_more(
    transport: MemoryTransport, monkeypatch: pytest.MonkeyPatch
) -> None:
    append(transport, *(record.message() for record in RECORDS))
    readings: list[int] = []
    read = transport.read

    def counted(name: str, offset: int, *how: Any) -> Any:
        readings.append(offset)
        return read(name, offset, *how)

    monkeypatch.setattr(transport, "read", counted)
    begins = {query: [r.stream for r in RECORDS].index(query) for query in ANSWER}
    for pieces, again in ((Pieces(), []), (Pieces(most=0), sorted(begins.values()))):
        readings.clear()
        one = outcome(transport, pieces)
        assert one.completed(PATIENCE).tables.keys() == ANSWER.keys()
        assert {query: tuples(one.table(query, PATIENCE)) for query in ANSWER} == ANSWER
        assert sorted(readings) == sorted([0, *again, *again])


def test_results_that_were_dropped_after_they_were_read_are_a_failure(
    transport: MemoryTransport, monkeypatch: pytest.MonkeyPatch
) -> None:
    append(transport, *(record.message() for record in RECORDS))
    one = outcome(transport, Pieces(most=0))
    one.end(PATIENCE)
    read = transport.read
    monkeypatch.setattr(transport, "read", lambda name, offset, *how: read(name, offset + 1, *how))
    with pytest.raises(SessionFailed, match=r"the broker dropped 1 records of out\.s"):
        one.table("query1", PATIENCE)


def test_results_that_were_deleted_after_they_were_read_are_gone(
    transport: MemoryTransport,
) -> None:
    append(transport, *(record.message() for record in RECORDS))
    one = outcome(transport, Pieces(most=0))
    one.end(PATIENCE)
    transport.delete_journal(OUT)
    with pytest.raises(JournalGone):
        one.table("query1", PATIENCE)


def test_a_journal_that_lost_all_its_records_is_found_out(transport: MemoryTransport) -> None:
    clock = VirtualClock()
    one = SessionOutcome(transport, SPEC, clock)
    one.expect()
    one.expect()
    assert clock.delays == [PROBE_AFTER]
    clock.run_until_idle()
    with transport.lock:
        assert len(transport.journals[OUT].entries) == 1, "the probe"
    assert not one.is_over, "nothing was dropped here"


def test_a_subscriber_hears_what_was_and_what_comes_in_order(transport: MemoryTransport) -> None:
    append(transport, *(record.message() for record in RECORDS[:-1]))
    one = outcome(transport)
    eventually(lambda: len(one.complete) == 4, "all but one are complete")
    early, late = list[Update](), list[Update]()
    one.subscribe(early.append)
    append(transport, RECORDS[-1].message())
    one.end(PATIENCE)
    one.subscribe(late.append)
    one.subscribe(lambda update: late.append(update), after=RECORDS_END).close()
    assert [u.offset for u in early] == sorted(u.offset for u in early if u.offset is not None)
    assert early[-1].is_last
    assert late[: len(early)] == early
    assert late[len(early) :] == [
        *(Update(u.offset, ()) for u in early[:-1]),
        Update(RECORDS_END, (), is_last=True),
    ]


def test_a_closed_subscription_hears_nothing_more(transport: MemoryTransport) -> None:
    one, heard = outcome(transport), list[Update]()
    one.subscribe(heard.append).close()
    append(transport, Record("failed", "session", "x", 0, b"why").message())
    assert one.end(PATIENCE) == End("failed", "why")
    assert heard == []


def test_a_subscriber_hears_that_the_journal_is_gone(transport: MemoryTransport) -> None:
    one, gone = outcome(transport), list[bool]()
    one.subscribe(lambda update: None, lambda: gone.append(True))
    transport.delete_journal(OUT)
    with pytest.raises(JournalGone):
        one.end(PATIENCE)
    one.subscribe(lambda update: None, lambda: gone.append(True))
    assert gone == [True, True]


def test_an_end_that_is_abandoned_is_told_to_who_waits(transport: MemoryTransport) -> None:
    one = outcome(transport)
    one.abandon(Cancelled("closed"))
    for wait in (one.end, one.completed, lambda seconds: one.table("query1", seconds)):
        with pytest.raises(Cancelled, match="closed"):
            wait(PATIENCE)
    append(transport, *(record.message() for record in RECORDS))
    eventually(lambda: readers_of(transport, OUT) == 0, "it is read to its end all the same")


def test_a_replica_reads_each_journal_once_and_forgets_those_that_are_deleted(
    transport: MemoryTransport,
) -> None:
    outcomes = Outcomes(transport, VirtualClock())
    one = outcomes.of(SPEC)
    assert outcomes.of(SPEC) is one
    append(transport, Record("failed", "session", "x", 0, b"why").message())
    one.end(PATIENCE)
    assert outcomes.known(SPEC.id) is one
    outcomes.forget(SPEC.id)
    assert outcomes.known(SPEC.id) is None
    outcomes.close()
