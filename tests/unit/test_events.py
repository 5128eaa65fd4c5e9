"""A session's out journal told as server-sent events."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import replace
from typing import Any

import pytest

from coffeeshop.client.sse import Event, parse_events
from coffeeshop.gateway import changes as looking
from coffeeshop.gateway import events as module
from coffeeshop.gateway.changes import Changes
from coffeeshop.gateway.events import event_stream, sse
from coffeeshop.pipeline.messages import Record, SessionSpec, out_journal
from coffeeshop.pipeline.plan import PLANS
from coffeeshop.pipeline.task import TaskCore
from coffeeshop.sessions.events import End
from coffeeshop.sessions.outcome import SessionOutcome
from coffeeshop.sessions.results import Event as Told
from coffeeshop.sessions.results import EventTranslator, Update
from coffeeshop.testing.clock import VirtualClock
from coffeeshop.transport import Delivery, Message
from coffeeshop.transport.memory import MemoryTransport
from tests.running import PATIENCE, eventually, readers_of
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
PROBE = Record("probe", "", "gateway", 0)
FAILED = Record("failed", "session", "x", 0, b"it broke")


def told(*records: Record) -> list[tuple[str, dict[str, Any]]]:
    translator = EventTranslator(SPEC)
    return [event for each in records for event in translator.update_of(read(each), 0.0).events]


def read(record: Record | Message, offset: int = 0) -> Delivery:
    return Delivery(offset, record.message() if isinstance(record, Record) else record)


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
    translator = EventTranslator(SPEC)
    assert translator.update_of(read(FAILED), 0.0).is_last
    assert translator.update_of(read(FAILED), 0.0) == Update(0, ())


def test_a_probe_tells_nothing() -> None:
    assert told(PROBE) == []


def test_a_result_is_dated_by_its_record_or_else_by_its_reading() -> None:
    dated = [replace(each, at=7.0) if each.stream == "query1" else each for each in RECORDS]
    translator = EventTranslator(SPEC)
    events = [e for each in dated for e in translator.update_of(read(each), 9.0).events]
    times = translator.found.times
    assert {query: times[query] for query in ("query1", "query3")} == {"query1": 7.0, "query3": 9.0}
    assert ("result", {"query": "query1", "at": 7.0}) in events
    assert ("result", {"query": "query3"}) in events
    assert translator.found.bytes == sum(len(each.body) for each in dated)


def test_records_that_were_dropped_end_it_without_an_offset_to_resume_at() -> None:
    update = EventTranslator(SPEC).update_of(Delivery(7, RECORDS[0].message(), 0), 0.0)
    assert (update.offset, update.is_last) == (None, True)
    assert "dropped 7 records of out.s" in update.events[0][1]["reason"]


@pytest.mark.parametrize(
    "message",
    [
        Message({}, b"?"),
        Message({"kind": "batch", "stream": "no such", "producer": "x", "number": 0}),
        Message({"kind": "eof", "stream": "query1", "producer": "nobody", "number": 0}),
    ],
    ids=["no record", "another stream", "another producer"],
)
def test_what_makes_no_sense_ends_the_story_as_a_failure(message: Message) -> None:
    update = EventTranslator(SPEC).update_of(read(message), 0.0)
    ((name, data),) = update.events
    assert name == "failed"
    assert data["reason"].startswith("the results cannot be read")
    assert update.is_last


def test_two_attempts_that_disagree_are_a_failure() -> None:
    other = Record("batch", RECORDS[0].stream, RECORDS[0].producer, RECORDS[0].number, b"other")
    ((name, data),) = told(RECORDS[0], other)
    assert name == "failed"
    assert "different results" in data["reason"]


def test_the_text_is_that_of_the_standard() -> None:
    assert sse([("a", {"n": 1})], 7) == b'event: a\ndata: {"n": 1}\nid: 7\n\n'


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


async def no_event() -> Told:
    raise AssertionError("the journal is there")


def stream_of(transport: MemoryTransport, after: int = -1, **how: Any) -> AsyncIterator[bytes]:
    """The stream of an outcome that is read from now on."""
    outcome = SessionOutcome(transport, SPEC, VirtualClock())
    how = {"stopping": lambda: False, "final_event": no_event, **how}
    how.setdefault("changes", Changes(lambda: None))
    return event_stream(outcome, after, **how)


async def all_of(stream: AsyncIterator[bytes]) -> list[Event]:
    text = b"".join([piece async for piece in stream]).decode()
    return list(parse_events(iter(text.splitlines())))


@pytest.fixture
def transport() -> Any:
    made = MemoryTransport()
    yield made
    made.close()


def test_the_stream_ends_with_the_session_and_leaves_no_reader(transport: MemoryTransport) -> None:
    fill(transport, *RECORDS)
    events = asyncio.run(all_of(stream_of(transport)))
    assert [event.name for event in events] == ["result"] * 5 + ["completed"]
    assert events[-1].offset == len(RECORDS) - 1
    eventually(lambda: readers_of(transport, OUT) == 0, "the journal is read to the end")


def test_many_listeners_hear_the_same_of_one_reading(transport: MemoryTransport) -> None:
    fill(transport, *RECORDS[:-1])
    outcome = SessionOutcome(transport, SPEC, VirtualClock())

    async def run() -> list[list[Event]]:
        how: Any = {"stopping": lambda: False, "final_event": no_event}
        how["changes"] = Changes(lambda: None)
        streams = [all_of(event_stream(outcome, -1, **how)) for _ in range(50)]
        asyncio.get_running_loop().call_later(0.01, fill, transport, RECORDS[-1])
        return list(await asyncio.gather(*streams))

    heard = asyncio.run(run())
    assert all(events == heard[0] for events in heard)
    assert heard[0][-1].name == "completed"


def test_a_resumed_stream_is_exactly_the_rest(transport: MemoryTransport) -> None:
    fill(transport, *RECORDS)
    events = asyncio.run(all_of(stream_of(transport)))
    offsets = [event.offset for event in events if event.offset >= 0]
    for offset in offsets:
        seen = next(i for i, event in enumerate(events) if event.offset == offset)
        assert asyncio.run(all_of(stream_of(transport, offset))) == events[seen + 1 :]


def test_a_stream_of_a_journal_that_goes_ends_with_the_final_event(
    transport: MemoryTransport,
) -> None:
    fill(transport, *RECORDS[:-1])

    async def final_event() -> Told:
        return "cancelled", {"reason": "deleted"}

    async def run() -> list[bytes]:
        found = []
        async for piece in stream_of(transport, final_event=final_event):
            found.append(piece)
            if b"result" in piece:
                transport.delete_journal(OUT)
        return found

    assert json.loads(asyncio.run(run())[-1].split(b"data: ")[1]) == {"reason": "deleted"}


def test_a_stream_ends_when_it_is_told_to(
    transport: MemoryTransport, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(looking, "LOOK", 0.01)
    fill(transport)
    asked: list[bool] = []

    async def run() -> list[bytes]:
        found = []
        changes = Changes(lambda: len(asked))
        stream = stream_of(transport, changes=changes, stopping=lambda: bool(asked))
        asyncio.get_running_loop().call_later(0.03, asked.append, True)
        async for piece in stream:
            found.append(piece)
        return found

    assert asyncio.run(run()) == [b"retry: 1000\n\n"]


def test_missing_workers_are_told_when_that_changes(
    transport: MemoryTransport, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(looking, "LOOK", 0.01)
    fill(transport)
    lacking: list[str] = ["filters"]

    async def run() -> list[bytes]:
        changes = Changes(lambda: tuple(lacking))
        stream = stream_of(transport, changes=changes, waits_for=lambda: list(lacking))
        async with aclosing(stream):  # type: ignore[type-var]
            found = [await anext(stream), await anext(stream)]
            lacking.clear()
            found.append(await asyncio.wait_for(anext(stream), PATIENCE))
            return found

    _, waiting, working = asyncio.run(run())
    assert b"event: waiting" in waiting
    assert b"filters" in waiting
    assert b"event: working" in working


def test_silence_is_broken_by_a_comment(
    transport: MemoryTransport, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "KEEPALIVE", 0.02)
    fill(transport)

    async def run() -> bytes:
        async with aclosing(stream_of(transport)) as stream:  # type: ignore[type-var]
            assert await anext(stream) == b"retry: 1000\n\n"
            return await asyncio.wait_for(anext(stream), PATIENCE)

    assert asyncio.run(run()) == b": nothing new\n\n"


def test_nobody_looks_for_changes_while_nobody_listens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(looking, "LOOK", 0.0)
    looks: list[int] = []

    async def run() -> None:
        changes = Changes(lambda: looks.append(1))
        with changes.subscribed(lambda: None), changes.subscribed(lambda: None):
            while len(looks) < 3:
                await asyncio.sleep(0)
        before = len(looks)
        for _ in range(10):
            await asyncio.sleep(0)
        assert len(looks) == before
        assert len(asyncio.all_tasks()) == 1

    asyncio.run(run())


def test_an_update_after_the_loop_has_ended_harms_nobody(transport: MemoryTransport) -> None:
    fill(transport)
    outcome = SessionOutcome(transport, SPEC, VirtualClock())
    how: Any = {"stopping": lambda: False, "final_event": no_event}
    loop = asyncio.new_event_loop()
    stream = event_stream(outcome, -1, changes=Changes(lambda: None), **how)
    loop.run_until_complete(anext(stream))
    loop.run_until_complete(asyncio.sleep(0))
    for task in asyncio.all_tasks(loop):
        task.cancel()
    loop.run_until_complete(asyncio.sleep(0))
    loop.close()
    fill(transport, FAILED)
    assert outcome.end(PATIENCE) == End("failed", "it broke")
