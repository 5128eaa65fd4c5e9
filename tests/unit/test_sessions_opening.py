"""Openings of sessions that are cut short, and what happens while one is under way."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace

import pytest

from coffeeshop.errors import JournalGone, Unreachable
from coffeeshop.pipeline.messages import Record, SessionSpec, out_journal
from coffeeshop.sessions import sessions as module
from coffeeshop.sessions.ingest import open_session
from coffeeshop.sessions.mending import PATIENCE as PATIENCE_WITH_OTHERS
from coffeeshop.sessions.registry import LONGEST_OPENING, Session
from coffeeshop.sessions.sessions import Sessions
from coffeeshop.transport.memory import MemoryTransport
from coffeeshop.transport.outbox import Outbox
from tests.running import PATIENCE, eventually
from tests.unit.helpers import ANSWER
from tests.unit.world import (
    LIFETIMES,
    World,
    feed,
    in_background,
    looked,
    reaches,
    released,
    results,
    spec_of,
)


class Breaking(MemoryTransport):
    """Fails at declaring journals when told to."""

    def __init__(self) -> None:
        super().__init__()
        self.left_to_declare = 1 << 30

    def declare_journal(self, name: str, max_bytes: int | None = None) -> None:
        if not name.startswith("ctl."):
            if self.left_to_declare <= 0:
                raise Unreachable("the broker does not answer")
            self.left_to_declare -= 1
        super().declare_journal(name, max_bytes)


@pytest.fixture
def breaking() -> Iterator[World]:
    made = World(Breaking())
    yield made
    made.close()


def broken_after(world: World, journals: int) -> None:
    assert isinstance(world.transport, Breaking)
    world.transport.left_to_declare = journals


@pytest.mark.parametrize("journals", [0, 1, 3])
def test_an_opening_that_was_cut_short_is_cleaned_up(breaking: World, journals: int) -> None:
    sessions = breaking.replica("g1")
    spec = spec_of()
    broken_after(breaking, journals)
    with pytest.raises(Unreachable):
        sessions.open(spec)
    assert len(breaking.left()) == journals
    breaking.passes(61)
    reaches(sessions, spec, "aborted")
    breaking.time.seconds += LIFETIMES.result_ttl + 1
    reaches(sessions, spec, "expired")
    assert breaking.left() == []


@pytest.mark.parametrize("journals", [0, 1, 3])
def test_an_opening_that_was_cut_short_goes_on_when_asked_again(
    breaking: World, journals: int
) -> None:
    breaking.work()
    first, second = breaking.replica("g1"), breaking.replica("g2")
    spec = spec_of()
    broken_after(breaking, journals)
    with pytest.raises(Unreachable):
        first.open(spec)
    looked(breaking, first)
    broken_after(breaking, 1 << 30)
    assert second.open(spec).declared
    feed(second, spec)
    reaches(second, spec, "completed")
    assert results(breaking, spec) == ANSWER


@pytest.mark.parametrize("journals", [0, 2])
def test_an_opening_that_was_cut_short_can_be_cancelled(breaking: World, journals: int) -> None:
    sessions = breaking.replica("g1")
    spec = spec_of()
    broken_after(breaking, journals)
    with pytest.raises(Unreachable):
        sessions.open(spec)
    known = sessions.chronicle.get(spec.id)
    assert known is not None
    sessions.end(known, "cancelled", "never mind")
    reaches(sessions, spec, "cancelled")
    eventually(lambda: released(sessions, spec), "its input is released")


class Slow(MemoryTransport):
    """Declares a session's out journal only when told to."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = threading.Event()
        self.go_on = threading.Event()

    def declare_journal(self, name: str, max_bytes: int | None = None) -> None:
        if name.startswith("out."):
            self.asked.set()
            assert self.go_on.wait(PATIENCE)
        super().declare_journal(name, max_bytes)


@dataclass(frozen=True)
class Opening:
    """A session that ``sessions`` is opening, and that ``other`` knows of as ``known``."""

    world: World
    sessions: Sessions
    other: Sessions
    known: Session
    opened: Future[Session]


@contextmanager
def being_opened(transport: Slow) -> Iterator[Opening]:
    """Its out journal is declared when ``transport.go_on`` is set."""
    world = World(transport)
    sessions, other = world.replica("g1"), world.replica("g2")
    spec = spec_of()
    with ThreadPoolExecutor(1) as pool:
        opened = pool.submit(sessions.open, spec)
        assert transport.asked.wait(PATIENCE)
        known = reaches(other, spec, "open")
        assert known is not None
        yield Opening(world, sessions, other, known, opened)
    world.close()


def test_looking_around_while_a_session_is_opened_does_not_lose_its_end() -> None:
    transport = Slow()
    world = World(transport)
    sessions = world.replica("g1")
    spec = spec_of()
    opening = in_background(lambda: sessions.open(spec))
    assert transport.asked.wait(PATIENCE)
    looked(world)
    transport.go_on.set()
    opening.join(PATIENCE)
    known = sessions.chronicle.get(spec.id)
    assert known is not None
    sessions.end(known, "cancelled", "")
    reaches(sessions, spec, "cancelled")
    world.close()


def test_a_session_that_ends_while_it_is_opened_leaves_no_input_behind() -> None:
    transport = Slow()
    with being_opened(transport) as opening:
        spec = opening.known.spec
        opening.other.end(opening.known, "cancelled", "")
        reaches(opening.sessions, spec, "cancelled")
        eventually(lambda: released(opening.sessions, spec), "its input is released")
        transport.go_on.set()
        opening.opened.result(PATIENCE)
        assert opening.world.left() == [out_journal(spec.id)]


def test_a_session_that_is_deleted_while_it_is_opened_leaves_nothing_behind() -> None:
    transport = Slow()
    with being_opened(transport) as opening:
        opening.other.delete(opening.known)
        reaches(opening.sessions, opening.known.spec, "expired")
        transport.go_on.set()
        with pytest.raises(JournalGone):
            opening.opened.result(PATIENCE)
        assert opening.world.left() == []


def test_a_session_that_ends_while_it_is_opened_was_never_declared() -> None:
    """So everybody is told of its end by ``ctl.sessions``: no other journal has it."""
    transport = Slow()
    with being_opened(transport) as opening:
        known = opening.known
        opening.other.end(known, "cancelled", "enough")
        transport.go_on.set()
        opened = opening.opened.result(PATIENCE)
        assert opening.world.said("declared")
        assert (opened.state, opened.reason, opened.declared) == ("cancelled", "enough", False)
        assert (known.state, known.declared) == ("cancelled", False)


def test_whoever_missed_that_a_session_is_declared_ends_it_for_those_who_did_not(
    world: World,
) -> None:
    sessions = world.replica("g1")
    spec = spec_of()
    known = sessions.open(spec)
    sessions.end(replace(known, declared=False), "cancelled", "enough")
    reaches(sessions, spec, "cancelled")
    assert known.reason == "enough"
    assert [fact.fields.get("undeclared") for fact in world.said("ended")] == [True, None]
    (told,) = [Record.of(delivery.message) for delivery in world.journal(out_journal(spec.id))]
    assert (told.kind, told.body) == ("failed", b"enough")


class Fatal(Slow):
    """Makes one journal more, then whoever makes them is gone."""

    def declare_journal(self, name: str, max_bytes: int | None = None) -> None:
        super().declare_journal(name, max_bytes)
        if name.startswith("out."):
            raise Unreachable("the connection is lost")


@pytest.mark.parametrize("opener_lives", [True, False])
def test_what_a_dying_opener_made_of_a_deleted_session_is_removed_later(
    opener_lives: bool,
) -> None:
    transport = Fatal()
    with being_opened(transport) as opening:
        world, other, out = opening.world, opening.other, out_journal(opening.known.spec.id)
        other.delete(opening.known)
        transport.go_on.set()
        with pytest.raises(Unreachable):
            opening.opened.result(PATIENCE)
        assert world.left() == [out]
        if not opener_lives:
            world.stop(opening.sessions)
        world.time.seconds += LONGEST_OPENING - 1
        looked(world)
        assert world.left() == [out]  # somebody might still be opening it
        world.time.seconds += 2
        if not opener_lives:
            looked(world)
            assert world.left() == [out]  # it is left to who opened it for a while
            world.time.seconds += PATIENCE_WITH_OTHERS
        eventually(lambda: world.left() == [], "it is removed")
        eventually(lambda: not other.chronicle.doubtful(0, 0), "nobody looks again")
        words = len(world.facts())
        world.time.seconds += LONGEST_OPENING + PATIENCE_WITH_OTHERS
        looked(world)
        assert len(world.facts()) == words


@pytest.mark.parametrize("first_is_deleted", ["while both open it", "when one has opened it"])
def test_two_open_a_session_that_is_deleted_and_one_of_them_dies(
    world: World, monkeypatch: pytest.MonkeyPatch, first_is_deleted: str
) -> None:
    """Whoever lives knows of itself only: that it has cleared up says nothing of the other."""
    first, second = world.replica("g1"), world.replica("g2")
    spec = spec_of()
    at_it = {name: (threading.Event(), threading.Event()) for name in (first.name, second.name)}
    replicas = threading.local()

    def slowly(outbox: Outbox, wanted: SessionSpec) -> None:
        reached, go_on = at_it[replicas.name]
        reached.set()
        assert go_on.wait(PATIENCE)
        open_session(outbox, wanted)
        if replicas.name == second.name:
            raise Unreachable("it dies here")

    def opens(replica: Sessions) -> None:
        replicas.name = replica.name
        replica.open(spec)

    monkeypatch.setattr(module, "open_session", slowly)
    with ThreadPoolExecutor(2) as pool:
        dying = pool.submit(opens, second)
        assert at_it[second.name][0].wait(PATIENCE)
        living = pool.submit(opens, first)
        assert at_it[first.name][0].wait(PATIENCE)
        known = reaches(first, spec, "open")
        assert known is not None
        if first_is_deleted == "while both open it":
            first.delete(known)
            at_it[first.name][1].set()
            with pytest.raises(JournalGone):
                living.result(PATIENCE)
        else:
            at_it[first.name][1].set()
            living.result(PATIENCE)
            first.delete(known)
        at_it[second.name][1].set()
        with pytest.raises(Unreachable):
            dying.result(PATIENCE)
    assert world.left() != []
    world.time.seconds += LONGEST_OPENING + PATIENCE_WITH_OTHERS
    eventually(lambda: not [each for each in world.left() if spec.id in each], "all is removed")


def test_an_end_that_does_not_count_changes_nothing(world: World) -> None:
    world.work()
    gateway = world.replica("g1", period=3600)
    spec = spec_of()
    known = gateway.open(spec)
    outcome, ingest = gateway.outcomes.of(spec), gateway.ingest(spec)
    gateway.chronicle.tell("ended", spec.id, state="cancelled", reason="", undeclared=True)
    assert known.state == "open"
    assert gateway.outcomes.of(spec) is outcome
    assert gateway.ingest(spec) is ingest
    feed(gateway, spec)
    reaches(gateway, spec, "completed")
