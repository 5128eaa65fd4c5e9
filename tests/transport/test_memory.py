"""What the in-memory transport does beyond the contract: bounded memory, names, a fresh store."""

from __future__ import annotations

import os
import random
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from coffeeshop.transport import Delivery, Message
from coffeeshop.transport.memory import MemoryTransport
from tests.transport.heard import PATIENCE, Bench, Heard, numbered

LIMIT = 10_000
SPILLED = "coffeeshop-journal-"


@pytest.fixture
def small() -> Iterator[Bench]:
    """A transport that keeps ten thousand bytes."""
    transport = MemoryTransport(ram_limit=LIMIT)
    yield Bench(transport)
    transport.close()


def resident(bench: Bench) -> int:
    assert isinstance(bench.transport, MemoryTransport)
    return bench.transport.resident()


def names(bench: Bench) -> list[str]:
    assert isinstance(bench.transport, MemoryTransport)
    return bench.transport.names()


def spill_files() -> set[str]:
    """The open files of spilled journals of this process, by descriptor."""
    found = set()
    for entry in Path("/proc/self/fd").iterdir():
        try:
            target = os.readlink(entry)
        except FileNotFoundError:
            continue  # the listing's own
        if SPILLED in target:
            found.add(entry.name)
    return found


def bodies_of(seed: int, number: int, most: int) -> list[bytes]:
    rng = random.Random(seed)
    return [rng.randbytes(rng.randrange(most)) for _ in range(number)]


@pytest.mark.parametrize("seed", range(3))
def test_bodies_past_the_limit_come_back_as_they_were(small: Bench, seed: int) -> None:
    journals = [small.journal() for _ in range(3)]
    stored = {name: bodies_of(seed + place, 60, 1000) for place, name in enumerate(journals)}
    for turn in range(60):
        for name in journals:
            small.append(name, stored[name][turn])
            assert resident(small) <= LIMIT
    for name in journals:
        assert small.read(name).bodies(60) == stored[name]
        assert small.read(name, offset=59).bodies(1) == stored[name][59:]


def test_up_to_the_limit_nothing_is_written(small: Bench) -> None:
    before = spill_files()
    journal = small.journal()
    small.append(journal, *[b"x" * 1000] * 10)
    assert resident(small) == LIMIT
    assert spill_files() == before
    small.append(journal, b"y")
    assert resident(small) == LIMIT - 999
    assert len(spill_files() - before) == 1


def test_a_body_larger_than_the_limit_is_stored_all_the_same(small: Bench) -> None:
    journal = small.journal()
    body = bytes(range(256)) * 100
    small.append(journal, body, b"", body[::-1])
    assert resident(small) == 0
    assert small.read(journal).bodies(3) == [body, b"", body[::-1]]


def test_a_spilled_journal_leaves_no_path_behind(
    small: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    small.append(small.journal(), b"x" * (LIMIT + 1))
    assert spill_files()
    assert list(tmp_path.iterdir()) == []


def test_a_short_write_is_continued(small: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = os.pwrite
    monkeypatch.setattr(os, "pwrite", lambda fd, data, at: whole(fd, bytes(data)[:700], at))
    body = bytes(range(250)) * 100
    journal = small.journal()
    small.append(journal, body, body[::-1])
    assert small.read(journal).bodies(2) == [body, body[::-1]]


def test_deleting_a_spilled_journal_frees_its_file_and_its_memory(small: Bench) -> None:
    before = spill_files()
    journal, other = small.journal(), small.journal()
    small.append(journal, *[b"x" * 900] * 20)
    small.append(other, b"stays")
    assert len(spill_files() - before) == 1
    small.transport.delete_journal(journal)
    assert spill_files() == before
    assert resident(small) == len(b"stays")
    small.append(other, *[b"y" * 900] * 20)
    assert resident(small) <= LIMIT
    assert small.read(other).bodies(21) == [b"stays", *[b"y" * 900] * 20]


def test_closing_frees_every_file() -> None:
    before = spill_files()
    bench = Bench(MemoryTransport(ram_limit=0))
    for _ in range(3):
        bench.append(bench.journal(), b"x", b"y")
    assert len(spill_files() - before) == 3
    bench.transport.close()
    assert spill_files() == before
    assert resident(bench) == 0
    assert names(bench) == []


def test_a_reading_of_a_deleted_journal_does_not_go_on_in_its_successor() -> None:
    bench = Bench(MemoryTransport(ram_limit=0))  # so that every body is in a file that is gone
    journal, ready = bench.journal(), threading.Event()

    def replace(_: Delivery) -> None:
        assert ready.wait(PATIENCE)
        bench.transport.delete_journal(journal)
        bench.transport.declare_journal(journal)
        bench.transport.append(journal, Message({}, b"new"), lambda outcome: None)

    bench.append(journal, *numbered(range(10)))
    reading = bench.read(journal, then=replace)
    ready.set()
    reading.gone.first(1)
    assert bench.read(journal).bodies(1) == [b"new"]
    assert reading.bodies(1) == [b"0"]
    bench.transport.close()


def test_names_lists_journals_and_queues_that_exist() -> None:
    transport = MemoryTransport()
    transport.declare_queue("q")
    transport.declare_journal("b")
    transport.declare_journal("a", max_bytes=1)
    assert transport.names() == ["a", "b", "q"]
    transport.delete_journal("b")
    transport.delete_queue("q")
    assert transport.names() == ["a"]
    transport.close()


def test_nothing_is_dropped_from_a_bounded_journal(small: Bench) -> None:
    journal = small.journal(max_bytes=1)
    small.append(journal, *numbered(range(100)))
    assert small.read(journal).bodies(100) == numbered(range(100))


def test_closing_waits_for_the_callback_under_way() -> None:
    bench = Bench(MemoryTransport())
    journal, entered, leave = bench.journal(), threading.Event(), threading.Event()
    done: Heard[str] = Heard()

    def slow(_: object) -> None:
        entered.set()
        assert leave.wait(PATIENCE)
        done("callback")

    def close() -> None:
        bench.transport.close()
        done("closed")

    bench.transport.append(journal, Message(), slow)
    assert entered.wait(PATIENCE)
    closers = [threading.Thread(target=close) for _ in range(2)]
    for closer in closers:
        closer.start()
    leave.set()
    for closer in closers:
        closer.join(PATIENCE)
    assert done.all == ["callback", "closed", "closed"]


def test_what_is_asked_of_a_closed_transport_finds_nothing() -> None:
    bench = Bench(MemoryTransport())
    journal, queue = bench.journal(), bench.queue()
    reading, consuming = bench.read(journal), bench.consume(queue)
    bench.transport.close()
    heard: Heard[object] = Heard()
    bench.transport.append(journal, Message(), heard)
    bench.transport.publish(queue, Message(), heard)
    reading.reader.credit(1)
    reading.reader.close()
    consuming.consumer.ack(1)
    consuming.consumer.close()
    assert (heard.all, reading.gone.all, consuming.gone.all) == ([], [], [])
    assert names(bench) == []
