"""Openings of sessions that are cut short, and what happens while one is under way."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace

import pytest

from coffeeshop.actors.rounds import ORPHANS_PERIOD
from coffeeshop.errors import JournalGone, Unreachable
from coffeeshop.pipeline.messages import Record, out_journal
from coffeeshop.sessions.lifecycle import LONGEST_OPENING, Session
from coffeeshop.sessions.sessions import Sessions
from coffeeshop.transport.memory import MemoryTransport
from tests.running import PATIENCE, eventually
from tests.unit.helpers import ANSWER
from tests.unit.world import (
    PING,
    TIMEOUTS,
    World,
    feed,
    looked,
    reaches,
    released,
    results,
    spec_of,
    state,
)


class Breaking(MemoryTransport):
    """Fails at declaring journals when told to."""

    def __init__(self) -> None:
        super().__init__()
        self.left_to_declare = 1 << 30
        self.failed = threading.Semaphore(0)

    def declare_journal(self, name: str, max_bytes: int | None = None) -> None:
        if not name.startswith("ctl."):
            if self.left_to_declare <= 0:
                self.failed.release()
                raise Unreachable("the broker does not answer")
            self.left_to_declare -= 1
        super().declare_journal(name, max_bytes)


@pytest.fixture
def broker() -> Breaking:
    return Breaking()


@pytest.fixture
def breaking(broker: Breaking) -> Iterator[World]:
    made = World(broker)
    yield made
    made.close()


@contextmanager
def cut_short(world: World, broker: Breaking, journals: int) -> Iterator[Future[Session]]:
    """The opening of a session of which so many journals can be made, for now."""
    broker.left_to_declare = journals
    with ThreadPoolExecutor(1) as pool:
        opening = pool.submit(world.replicas[0].open, spec_of())
        assert broker.failed.acquire(timeout=PATIENCE)
        yield opening


def being_created(sessions: Sessions) -> Session:
    (known,) = sessions.log.all()
    return known


@pytest.mark.parametrize("journals", [0, 1, 3])
def test_an_opening_that_is_cut_short_is_cleaned_up(
    breaking: World, broker: Breaking, journals: int
) -> None:
    sessions = breaking.replica("g1")
    with cut_short(breaking, broker, journals) as opening:
        spec = being_created(sessions).spec
        assert len(breaking.left()) == journals
        breaking.passes(60 + PING)
        known = reaches(sessions, spec, "aborted")
        assert opening.result(PATIENCE).reason == known.reason
    breaking.time.seconds += TIMEOUTS.result_ttl + 1
    reaches(sessions, spec, "expired")
    assert breaking.left() == []


@pytest.mark.parametrize("journals", [0, 1, 3])
@pytest.mark.parametrize("keeper_lives", [True, False])
def test_an_opening_that_is_cut_short_goes_on(
    breaking: World, broker: Breaking, journals: int, keeper_lives: bool
) -> None:
    breaking.work()
    first = breaking.replica("g1")
    with cut_short(breaking, broker, journals) as opening:
        spec = being_created(first).spec
        if not keeper_lives:
            breaking.stop(first)
            with pytest.raises(Unreachable):
                opening.result(PATIENCE)
        broker.left_to_declare = 1 << 30
    second = breaking.replica("g2")
    assert second.open(spec).declared
    feed(second, spec)
    reaches(second, spec, "completed")
    assert results(breaking, spec) == ANSWER


@pytest.mark.parametrize("journals", [0, 2])
def test_an_opening_that_is_cut_short_can_be_cancelled(
    breaking: World, broker: Breaking, journals: int
) -> None:
    sessions = breaking.replica("g1")
    with cut_short(breaking, broker, journals) as opening:
        known = being_created(sessions)
        sessions.end(known, "cancelled", "never mind")
        reaches(sessions, known.spec, "cancelled")
        assert opening.result(PATIENCE).state == "cancelled"
    eventually(lambda: released(sessions, known.spec), "its input is released")


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
    sessions, other = world.replica("g1"), world.replica("g2", keeps=False)
    spec = spec_of()
    with ThreadPoolExecutor(1) as pool:
        opened = pool.submit(sessions.open, spec)
        assert transport.asked.wait(PATIENCE)
        known = reaches(other, spec, "open")
        assert known is not None
        yield Opening(world, sessions, other, known, opened)
    world.close()


def test_a_session_that_ends_while_it_is_opened_leaves_no_input_behind() -> None:
    transport = Slow()
    with being_opened(transport) as opening:
        spec = opening.known.spec
        opening.other.end(opening.known, "cancelled", "")
        assert opening.opened.result(PATIENCE).state == "cancelled"
        transport.go_on.set()
        eventually(lambda: released(opening.sessions, spec), "its input is released")
        assert opening.world.left() == [out_journal(spec.id)]


def test_a_session_that_is_deleted_while_it_is_opened_leaves_nothing_behind() -> None:
    transport = Slow()
    with being_opened(transport) as opening:
        opening.other.delete(opening.known)
        with suppress(JournalGone):  # it may have seen the end, or the deletion
            assert opening.opened.result(PATIENCE).reason == "deleted"
        transport.go_on.set()
        eventually(lambda: opening.world.written("declared"), "its journals were created")
        eventually(lambda: opening.world.left() == [], "nothing is left")


def test_a_session_that_ends_while_it_is_opened_was_never_declared() -> None:
    """So everybody is told of its end by ``ctl.sessions``: no other journal has it."""
    transport = Slow()
    with being_opened(transport) as opening:
        known = opening.known
        opening.other.end(known, "cancelled", "enough")
        transport.go_on.set()
        eventually(lambda: opening.world.written("declared"), "its journals were created")
        for seen in (opening.opened.result(PATIENCE), opening.other.log.updated(known)):
            assert (seen.state, seen.reason, seen.declared) == ("cancelled", "enough", False)


def test_whoever_missed_that_a_session_is_declared_ends_it_for_those_who_did_not(
    world: World,
) -> None:
    sessions = world.replica("g1")
    spec = spec_of()
    known = sessions.open(spec)
    sessions.end(replace(known, declared=False), "cancelled", "enough")
    assert reaches(sessions, spec, "cancelled").reason == "enough"
    assert [fact.fields.get("undeclared") for fact in world.written("ended")] == [True, None]
    (told,) = [Record.of(delivery.message) for delivery in world.journal(out_journal(spec.id))]
    assert (told.kind, told.body) == ("failed", b"enough")


def test_what_a_dying_keeper_created_of_a_deleted_session_is_deleted_later() -> None:
    transport = Slow()
    with being_opened(transport) as opening:
        world, out = opening.world, out_journal(opening.known.spec.id)
        opening.other.delete(opening.known)
        with suppress(JournalGone):  # it may have seen the end, or the deletion
            assert opening.opened.result(PATIENCE).reason == "deleted"
        opening.sessions.log.give_up()  # it can say nothing more
        transport.go_on.set()
        eventually(lambda: out in world.left(), "it is created all the same")
        world.stop(opening.sessions)
        later = world.replica("g3")
        world.time.seconds += LONGEST_OPENING - 1
        looked(world, later)
        assert out in world.left()  # a keeper may still be creating it
        world.time.seconds += ORPHANS_PERIOD + 2
        eventually(lambda: world.left() == [], "it is deleted")
        eventually(lambda: not later.log.possible_orphans(0), "nobody looks again")
        written = len(world.events())
        world.time.seconds += LONGEST_OPENING + ORPHANS_PERIOD
        looked(world, later)
        assert len(world.events()) == written


def test_an_end_that_does_not_count_changes_nothing(world: World) -> None:
    world.work()
    gateway = world.replica("g1")
    spec = spec_of()
    gateway.open(spec)
    ingest = gateway.ingest(spec)
    gateway.log.append_and_read_back(
        "ended", spec.id, state="cancelled", reason="", undeclared=True
    )
    assert state(gateway, spec) == "open"
    assert gateway.ingest(spec) is ingest
    feed(gateway, spec)
    reaches(gateway, spec, "completed")
