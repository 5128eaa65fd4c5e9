"""One result of a session read from its out journal."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from coffeeshop.errors import Cancelled, CodecError, JournalGone, SessionFailed, SessionTimeout
from coffeeshop.gateway.answers import read_result
from coffeeshop.pipeline.messages import Record, out_journal
from coffeeshop.pipeline.plan import PLANS
from coffeeshop.transport import Message
from coffeeshop.transport.memory import MemoryTransport
from tests.running import PATIENCE, eventually, readers_of
from tests.unit.helpers import ANSWER, tuples
from tests.unit.test_events import RECORDS, SPEC

OUT = out_journal(SPEC.id)


@pytest.fixture
def transport() -> Iterator[MemoryTransport]:
    made = MemoryTransport()
    made.declare_journal(OUT)
    yield made
    eventually(lambda: readers_of(made, "") == 0, "nobody reads")
    made.close()


def append(transport: MemoryTransport, *messages: Message) -> None:
    for message in messages:
        transport.append(OUT, message, lambda outcome: None)


@pytest.mark.parametrize("query", PLANS["fused"].results)
def test_a_complete_result_is_its_table(transport: MemoryTransport, query: str) -> None:
    append(transport, *(record.message() for record in RECORDS))
    assert tuples(read_result(transport, SPEC, query, PATIENCE)) == ANSWER[query]


def test_a_result_is_there_though_the_session_failed_later(transport: MemoryTransport) -> None:
    mine = [record for record in RECORDS if record.stream == "query1"]
    failed = Record("failed", "session", "x", 0, b"why")
    append(transport, *(record.message() for record in [*mine, failed]))
    assert tuples(read_result(transport, SPEC, "query1", PATIENCE)) == ANSWER["query1"]


@pytest.mark.parametrize(
    ("stream", "kind"),
    [("session", SessionFailed), ("cancelled", Cancelled), ("aborted", SessionFailed)],
)
def test_a_session_that_ended_before_says_how(
    transport: MemoryTransport, stream: str, kind: type[Exception]
) -> None:
    append(transport, RECORDS[0].message(), Record("failed", stream, "x", 0, b"why").message())
    with pytest.raises(kind, match="why"):
        read_result(transport, SPEC, "query3", PATIENCE)


def test_a_journal_that_is_gone_is_said(transport: MemoryTransport) -> None:
    transport.delete_journal(OUT)
    with pytest.raises(JournalGone):
        read_result(transport, SPEC, "query1", PATIENCE)


def test_what_makes_no_sense_is_raised(transport: MemoryTransport) -> None:
    append(transport, Message({}, b"?"))
    with pytest.raises(CodecError):
        read_result(transport, SPEC, "query1", PATIENCE)


def test_a_result_that_does_not_come_in_time_is_a_timeout(transport: MemoryTransport) -> None:
    append(transport, RECORDS[0].message())
    with pytest.raises(SessionTimeout, match="did not deliver query3 of s"):
        read_result(transport, SPEC, "query3", 0.01)
