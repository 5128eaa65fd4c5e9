"""A broker whose policies drop records of a session: told, whoever meets it first."""

from __future__ import annotations

import asyncio

import pytest

from coffeeshop.errors import SessionFailed
from coffeeshop.gateway import events
from coffeeshop.gateway.changes import Changes
from coffeeshop.pipeline.messages import Record, out_journal
from coffeeshop.sessions.outcome import SessionOutcome
from coffeeshop.testing.clock import VirtualClock
from coffeeshop.transport import Delivery, Message, dropped_before
from coffeeshop.transport.base import OnDelivery, OnGone, Reader
from coffeeshop.transport.memory import MemoryTransport
from tests.running import PATIENCE
from tests.unit.helpers import ANSWER
from tests.unit.world import World, feed, reaches, results, spec_of

WORDS = r"the broker dropped .* records of {} before they were read: a policy with max-age"


class Dropping(MemoryTransport):
    """Journals whose names have one of the beginnings in ``dropped`` begin that many later."""

    def __init__(self) -> None:
        super().__init__()
        self.dropped: dict[str, int] = {}

    def read(
        self, name: str, offset: int, credit: int, on_delivery: OnDelivery, on_gone: OnGone
    ) -> Reader:
        number = next((n for start, n in self.dropped.items() if name.startswith(start)), 0)
        read: Reader
        since = [offset]

        def later(delivery: Delivery) -> None:
            begun, since[0] = since[0], delivery.offset + 1
            if delivery.offset < number:
                reader.credit(1)
                since[0] = begun
            else:
                on_delivery(Delivery(delivery.offset, delivery.message, begun))

        read = reader = super().read(name, offset, credit, later, on_gone)
        return read


@pytest.mark.parametrize(
    ("offset", "since", "missing"),
    [(0, 0, 0), (1, 0, 1), (7, 0, 7), (8, 7, 0), (9, 7, 0), (90, 7, 83), (90, None, 0)],
)
def test_a_gap_of_segments_is_no_loss_and_a_late_beginning_is_one(
    offset: int, since: int | None, missing: int
) -> None:
    assert dropped_before(Delivery(offset, Message(), since)) == missing


@pytest.fixture
def dropping() -> Dropping:
    return Dropping()


@pytest.fixture
def world(dropping: Dropping) -> World:
    made = World(dropping)
    yield made  # type: ignore[misc]
    made.close()


def test_a_whole_journal_is_read_as_ever(world: World, dropping: Dropping) -> None:
    world.work()
    sessions = world.replica("g1")
    spec = spec_of()
    sessions.open(spec)
    feed(sessions, spec)
    reaches(sessions, spec, "completed")
    assert results(world, spec) == ANSWER


def test_input_that_was_dropped_fails_the_session(world: World, dropping: Dropping) -> None:
    sessions = world.replica("g1")
    spec = spec_of()
    sessions.open(spec)
    feed(sessions, spec)
    dropping.dropped[f"in.{spec.id}.aggregator"] = 1
    world.work()
    known = reaches(sessions, spec, "failed")
    assert f"records of in.{spec.id}.aggregator" in known.reason
    assert "rabbitmqctl list_policies" in known.reason


@pytest.mark.parametrize("left", ["some", "nothing"])
def test_results_that_were_dropped_are_told_soon_by_result_and_by_events(
    world: World,
    dropping: Dropping,
    left: str,
) -> None:
    world.work()
    sessions = world.replica("g1")
    spec = spec_of()
    sessions.open(spec)
    feed(sessions, spec)
    reaches(sessions, spec, "completed")
    written = len(world.journal(out_journal(spec.id)))
    dropping.dropped["out."] = 3 if left == "some" else written
    clock = VirtualClock()
    outcome = SessionOutcome(world.transport, spec, clock)
    outcome.expect()
    clock.run_until_idle()
    with pytest.raises(SessionFailed, match=WORDS.format(f"out.{spec.id}")):
        outcome.table("query1", PATIENCE)
    text = asyncio.run(told(outcome))
    assert f"records of out.{spec.id}" in text
    assert text.count("event: ") == 1
    assert "event: failed" in text


async def told(outcome: SessionOutcome) -> str:
    async def final_event() -> events.Event:
        return "expired", {}

    stream = events.event_stream(
        outcome,
        -1,
        changes=Changes(lambda: None),
        stopping=lambda: False,
        final_event=final_event,
    )
    return b"".join([piece async for piece in stream]).decode()


def test_a_replica_that_comes_late_to_what_was_dropped_ends_the_session(
    world: World, dropping: Dropping
) -> None:
    first = world.replica("g1")
    spec = spec_of()
    first.open(spec)
    note = Record("probe", "", "g", 0).message()
    for _ in range(3):
        world.transport.append(out_journal(spec.id), note, lambda outcome: None)
    dropping.dropped["out."] = 2
    world.stop(first)
    second = world.replica("g2")
    known = reaches(second, spec, "failed")
    assert "the broker dropped 2 records of out." in known.reason
