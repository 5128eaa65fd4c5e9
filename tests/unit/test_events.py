"""A session's out journal told as server-sent events."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

import pytest

from coffeeshop.client.sse import Event, parse_events
from coffeeshop.gateway import events as module
from coffeeshop.gateway.events import Narrator, event_stream, sse
from coffeeshop.pipeline.messages import Record, SessionSpec, out_journal
from coffeeshop.pipeline.plan import PLANS
from coffeeshop.pipeline.task import TaskCore
from coffeeshop.transport import Message
from coffeeshop.transport.memory import MemoryTransport
from tests.running import PATIENCE, readers_of
from tests.unit.helpers import input_records

SPEC = SessionSpec("s", "fused", 1, 1)
OUT = out_journal("s")


def out_records() -> list[Record]:
    """What the tasks of a session say on its out journal."""
    waiting = {task.journal: TaskCore(SPEC, task) for task in PLANS["fused"].tasks(SPEC)}
    from coffeeshop.pipeline.plan import destinations

    todo = [
        (journal, record)
        for record in input_records(SPEC)
        for journal in destinations(
            PLANS["fused"], SPEC, record.stream, record.number if record.kind == "batch" else None
        )
    ]
    found = []
    while todo:
        journal, record = todo.pop(0)
        if journal == OUT:
            found.append(record)
        else:
            todo.extend((o.journal, o.record) for o in waiting[journal].feed(record))
    return found


RECORDS = out_records()
NOTE = Record("note", "progress", "filters.0", 0, b'{"rows": 5}')
FAILED = Record("failed", "session", "x", 0, b"it broke")


def told(*records: Record) -> list[tuple[str, dict[str, Any]]]:
    narrator = Narrator(SPEC)
    return [event for record in records for event in narrator.tell(record.message())]


def test_each_result_is_told_once_and_then_the_completion() -> None:
    events = told(*RECORDS, *RECORDS)
    assert sorted(data["query"] for name, data in events if name == "result") == sorted(
        PLANS["fused"].results
    )
    assert events[-1] == ("completed", {})
    assert len(events) == len(PLANS["fused"].results) + 1


@pytest.mark.parametrize("stream", ["cancelled", "aborted", "session"])
def test_an_end_without_results_has_its_state_and_reason(stream: str) -> None:
    state = "failed" if stream == "session" else stream
    record = Record("failed", stream, "g", 0, "woé".encode())
    assert told(RECORDS[0], record, FAILED) == [(state, {"reason": "woé"})]


def test_after_the_end_nothing_is_told() -> None:
    narrator = Narrator(SPEC)
    narrator.tell(FAILED.message())
    assert narrator.ended
    assert narrator.tell(NOTE.message()) == []


def test_a_note_is_an_event_of_its_own_name() -> None:
    assert told(NOTE) == [("progress", {"rows": 5})]


@pytest.mark.parametrize(
    "message",
    [
        Message({}, b"?"),
        Message({"kind": "batch", "stream": "no such", "producer": "x", "number": 0}),
        Message({"kind": "eof", "stream": "query1", "producer": "nobody", "number": 0}),
        Message({"kind": "note", "stream": "progress", "producer": "x", "number": 0}, b"{"),
    ],
    ids=["no record", "another stream", "another producer", "no JSON"],
)
def test_what_makes_no_sense_ends_the_story_as_a_failure(message: Message) -> None:
    narrator = Narrator(SPEC)
    ((name, data),) = narrator.tell(message)
    assert name == "failed"
    assert data["reason"].startswith("the results cannot be read")
    assert narrator.ended


def test_two_attempts_that_disagree_are_a_failure() -> None:
    other = Record("batch", RECORDS[0].stream, RECORDS[0].producer, RECORDS[0].number, b"other")
    ((name, data),) = told(RECORDS[0], other)
    assert name == "failed"
    assert "different results" in data["reason"]


def test_the_text_is_that_of_the_standard() -> None:
    assert sse([("a", {"n": 1})], 7) == b'event: a\nid: 7\ndata: {"n": 1}\n\n'


def test_only_the_last_event_of_a_record_has_its_id() -> None:
    text = sse([("a", {}), ("b", {})], 7).decode()
    assert [(e.name, e.offset) for e in parse_events(iter(text.split("\n")))] == [
        ("a", -1),
        ("b", 7),
    ]


def test_no_text_of_a_session_breaks_out_of_its_event() -> None:
    nasty = "a\n\nevent: completed\ndata: {}\n\n\r\u2028"
    (event,) = parse_events(iter(sse([("failed", {"reason": nasty})], 1).decode().splitlines()))
    assert event.data == {"reason": nasty}


# The stream.


def fill(transport: MemoryTransport, *records: Record) -> None:
    transport.declare_journal(OUT)
    for record in records:
        transport.append(OUT, record.message(), lambda outcome: None)


async def no_word() -> module.Event:
    raise AssertionError("the journal is there")


def stream_of(transport: MemoryTransport, after: int = -1, **how: Any) -> AsyncIterator[bytes]:
    how = {"stopping": lambda: False, "last_word": no_word, **how}
    return event_stream(transport, SPEC, after, **how)


async def all_of(stream: AsyncIterator[bytes]) -> list[Event]:
    text = b"".join([piece async for piece in stream]).decode()
    return list(parse_events(iter(text.splitlines())))


@pytest.fixture
def transport() -> Any:
    made = MemoryTransport()
    yield made
    made.close()


def test_the_stream_ends_with_the_session_and_leaves_no_reader(transport: MemoryTransport) -> None:
    fill(transport, NOTE, *RECORDS)
    events = asyncio.run(all_of(stream_of(transport)))
    assert events[0] == Event("progress", {"rows": 5}, 0)
    assert events[-1].name == "completed"
    assert readers_of(transport, OUT) == 0


def test_a_resumed_stream_is_exactly_the_rest(transport: MemoryTransport) -> None:
    fill(transport, NOTE, *RECORDS)
    events = asyncio.run(all_of(stream_of(transport)))
    offsets = [event.offset for event in events if event.offset >= 0]
    for offset in offsets:
        seen = next(i for i, event in enumerate(events) if event.offset == offset)
        assert asyncio.run(all_of(stream_of(transport, offset))) == events[seen + 1 :]


def test_a_stream_of_a_journal_that_goes_ends_with_the_last_word(
    transport: MemoryTransport,
) -> None:
    fill(transport, NOTE)

    async def last_word() -> module.Event:
        return "cancelled", {"reason": "deleted"}

    async def run() -> list[bytes]:
        found = []
        async for piece in stream_of(transport, last_word=last_word):
            found.append(piece)
            if b"progress" in piece:
                transport.delete_journal(OUT)
        return found

    assert json.loads(asyncio.run(run())[-1].split(b"data: ")[1]) == {"reason": "deleted"}


def test_a_stream_ends_soon_after_it_was_asked_to(
    transport: MemoryTransport, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LOOK_UP", 0.01)
    fill(transport, NOTE)
    asked = []

    async def run() -> list[bytes]:
        found = []
        async for piece in stream_of(transport, stopping=lambda: bool(asked)):
            found.append(piece)
            if b"progress" in piece:
                asked.append(True)
        return found

    assert len(asyncio.run(run())) == 2
    assert readers_of(transport, OUT) == 0


def test_silence_is_broken_by_a_comment(
    transport: MemoryTransport, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LOOK_UP", 0.01)
    monkeypatch.setattr(module, "KEEPALIVE", 0.02)
    fill(transport)

    async def run() -> bytes:
        async with aclosing(stream_of(transport)) as stream:  # type: ignore[type-var]
            assert await anext(stream) == b"retry: 1000\n\n"
            return await asyncio.wait_for(anext(stream), PATIENCE)

    assert asyncio.run(run()) == b": nothing new\n\n"
    assert readers_of(transport, OUT) == 0


def test_a_slow_client_holds_no_more_than_the_credit(transport: MemoryTransport) -> None:
    fill(transport, *[NOTE] * 100)

    async def run() -> int:
        async with aclosing(stream_of(transport)) as stream:  # type: ignore[type-var]
            for _ in range(3):
                await anext(stream)
            with transport.lock:
                (reader,) = transport.journals[OUT].readers
                return reader.offset

    assert asyncio.run(run()) <= module.CREDIT + 3
    assert readers_of(transport, OUT) == 0


def test_word_after_the_loop_has_ended_harms_nobody(transport: MemoryTransport) -> None:
    fill(transport)
    loop = asyncio.new_event_loop()
    stream = stream_of(transport)
    loop.run_until_complete(anext(stream))
    loop.close()
    fill(transport, *[NOTE] * 3)
    done: asyncio.Future[None] | list[str] = []
    from threading import Event as Moment

    moment = Moment()
    transport.append(OUT, NOTE.message(), lambda outcome: moment.set())
    assert moment.wait(PATIENCE)
    assert done == []
