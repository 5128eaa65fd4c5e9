"""A session is known for as long as it lives, whatever the journal of all sessions drops."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coffeeshop.errors import CodecError
from coffeeshop.pipeline.messages import SessionSpec
from coffeeshop.sessions import chronicle as chronicle_module
from coffeeshop.sessions.facts import SESSIONS, Fact
from coffeeshop.sessions.lifetimes import Lifetimes
from coffeeshop.sessions.registry import Registry, Session
from coffeeshop.sessions.restating import OVERHEAD, Restating
from coffeeshop.sessions.sessions import Sessions
from coffeeshop.transport import Delivery
from coffeeshop.transport.memory import MemoryTransport
from tests.running import PATIENCE, eventually, new_id

SPEC = SessionSpec("s1", "fused", 1, 1)
KEPT = 40_000


def fact(kind: Any, session: str = "s1", **fields: Any) -> Fact:
    return Fact(kind, session, "g1", 100.0, fields)


def opened(session: str = "s1") -> Fact:
    return fact("opened", session, spec=asdict(SPEC) | {"id": session}, name="shop", owner="al")


HISTORY = [
    opened(),
    fact("declared"),
    fact("alive", bytes=7),
    fact("table_ended", table="stores", producer="0", batches=2),
    fact("table_ended", table="users", producer="0", batches=1),
    fact("ended", state="failed", reason="poison"),
    fact("released"),
]


def known_after(facts: list[Fact]) -> Session | None:
    registry = Registry()
    for each in facts:
        registry.feed(Fact.of(each.message()), 7.0)
    return registry.sessions.get("s1")


def restated(facts: list[Fact], by: str = "g2") -> Fact:
    known = known_after(facts)
    assert known is not None
    return Fact("restated", "s1", by, 900.0, known.statement())


@settings(deadline=None)
@given(st.integers(1, len(HISTORY)), st.integers(0, len(HISTORY)), st.integers(0, len(HISTORY)))
def test_a_reader_from_whom_the_beginning_is_cut_off_knows_the_same_in_the_end(
    stated_at: int, late: int, cut: int
) -> None:
    # A statement is written a little after its writer has read what it says, then another one.
    at = min(stated_at + late, len(HISTORY))
    journal = [*HISTORY[:at], restated(HISTORY[:stated_at]), *HISTORY[at:], restated(HISTORY)]
    whole, rest = known_after(journal), known_after(journal[min(cut, at) :])
    assert whole == rest == known_after(HISTORY)


def test_a_statement_is_no_sign_of_life() -> None:
    registry = Registry()
    registry.feed(opened(), 7.0)
    known = registry.feed(restated(HISTORY[:1]), 99.0)
    assert known is not None
    assert known.last_seen == 7.0


def test_a_statement_does_not_bring_back_what_expired() -> None:
    assert known_after([opened(), fact("expired"), restated([opened()])]) is None


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("gateway", 5),
        ("created", "now"),
        ("declared", 1),
        ("state", "asleep"),
        ("ended", "never"),
        ("tables", [["stores", "0"]]),
        ("tables", [["shoes", "0", 1]]),
        ("taken", {"g1": "much"}),
        ("released", None),
    ],
)
def test_a_statement_that_makes_no_sense_is_none(field: str, value: Any) -> None:
    said = restated(HISTORY)
    wrong = replace(said, fields={**said.fields, field: value})
    with pytest.raises(CodecError):
        Fact.of(wrong.message())
    missing = {key: kept for key, kept in said.fields.items() if key != field}
    with pytest.raises(CodecError):
        Fact.of(replace(said, fields=missing).message())


# When it is due.


def session(name: str, gateway: str) -> Session:
    return Session(SessionSpec(name), gateway, 0.0)


def test_a_session_is_stated_by_its_gateway_at_a_quarter_and_by_others_at_a_half() -> None:
    known = {"s1": session("s1", "g1")}
    mine, other = Restating("g1", 4000), Restating("g2", 4000)
    told: dict[str, list[int]] = {"mine": [], "other": []}
    for each in (mine, other):
        each.heard(opened(), 0)
    for written in range(500, 4001, 500):
        for name, each in (("mine", mine), ("other", other)):
            each.heard(fact("alive", "s2", bytes=1), 500 - OVERHEAD)
            told[name] += [written] * len(each.due(known))
    assert told == {"mine": [1500, 3000], "other": [2500]}


def test_what_was_stated_has_its_time_again_and_what_expired_none() -> None:
    known = {"s1": session("s1", "g1")}
    restating = Restating("g1", 4000)
    restating.heard(opened(), 0)
    restating.heard(fact("alive", bytes=1), 2000)
    assert restating.due(known) == [known["s1"]]
    assert restating.due(known) == []
    restating.heard(restated([opened()]), 0)
    assert restating.due(known) == []
    restating.heard(fact("alive", bytes=1), 2000)
    assert restating.due(known) == [known["s1"]]
    restating.heard(fact("expired"), 2000)
    assert restating.due({}) == []


# All of it.


class Forgetful(MemoryTransport):
    """Drops the oldest facts, which a broker does."""

    def __init__(self) -> None:
        super().__init__()
        self.dropped = 0

    def read(
        self,
        name: str,
        offset: int,
        credit: int,
        on_delivery: Callable[[Delivery], None],
        on_gone: Callable[[], None],
    ) -> Any:
        if name == SESSIONS:
            with self.lock:
                sizes = [each.size + OVERHEAD for each in self.journals[name].entries]
            while sum(sizes[offset:]) > KEPT:
                offset += 1
            self.dropped = offset
        return super().read(name, offset, credit, on_delivery, on_gone)


@pytest.fixture
def transport(monkeypatch: pytest.MonkeyPatch) -> Iterator[Forgetful]:
    monkeypatch.setattr(chronicle_module, "SESSIONS_BYTES", KEPT)
    made = Forgetful()
    yield made
    made.close()


def test_a_gateway_that_starts_late_knows_a_session_whose_beginning_was_dropped(
    transport: Forgetful,
) -> None:
    sessions = Sessions(transport, Lifetimes(), name="g1", period=0.005)
    sessions.start()
    spec = SessionSpec(new_id())
    sessions.open(spec, "shop", "alice")
    sessions.table_ended(spec.id, "stores", "0", 3).result(PATIENCE)
    restating = sessions.chronicle._restating
    for _ in range(30):
        for _ in range(15):
            sessions.chronicle.say("alive", spec.id, bytes=5).result(PATIENCE)
        eventually(lambda r=restating: r._written - r._stated[spec.id] <= KEPT // 4, "it is stated")
    late = Sessions(transport, Lifetimes(), name="g2", period=0.005)
    late.start()
    assert transport.dropped > 20
    first, second = sessions.chronicle.get(spec.id), late.chronicle.get(spec.id)
    assert first is not None
    assert second is not None
    assert first.public() == second.public()
    assert (second.name, second.owner, second.tables) == ("shop", "alice", {("stores", "0"): 3})
    for each in (late, sessions):
        each.close()
