"""Facts about sessions folded into what every gateway knows."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coffeeshop.errors import CodecError
from coffeeshop.pipeline.messages import SessionSpec
from coffeeshop.schema import TABLES
from coffeeshop.sessions import registry as module
from coffeeshop.sessions.facts import Fact, FactKind
from coffeeshop.sessions.registry import Registry
from coffeeshop.transport import Message

SPEC = SessionSpec("s1", "staged", 2, 3)


def fact(kind: FactKind, gateway: str = "g1", session: str = "s1", **fields: Any) -> Fact:
    if kind == "opened":
        fields = {"spec": SPEC.fields(), "name": "shop", **fields}
    return Fact(kind, session, gateway, 100.0, fields)


def folded(*facts: Fact) -> Registry:
    registry = Registry()
    for each in facts:
        registry.feed(each, 7.0)
    return registry


def ended(state: str, gateway: str = "g1", reason: str = "") -> Fact:
    return fact("ended", gateway, state=state, reason=reason)


def table_ended(table: str, producer: int, batches: int = 1) -> Fact:
    return fact("table_ended", table=table, producer=str(producer), batches=batches)


def test_an_opened_session_is_known_with_all_it_was_opened_with() -> None:
    session = folded(fact("opened")).sessions["s1"]
    assert (session.spec, session.gateway, session.name) == (SPEC, "g1", "shop")
    assert (session.created, session.last_seen, session.state) == (100.0, 7.0, "open")
    assert not session.declared


def test_of_two_openings_of_one_id_the_first_counts() -> None:
    other = {**SPEC.fields(), "plan": "fused"}
    registry = folded(fact("opened"), fact("opened", "g2", spec=other))
    assert registry.sessions["s1"].spec == SPEC
    assert registry.sessions["s1"].gateway == "g1"


def test_of_two_ends_the_first_counts() -> None:
    session = folded(fact("opened"), ended("cancelled"), ended("completed")).sessions["s1"]
    assert (session.state, session.ended) == ("cancelled", 100.0)


def test_facts_of_sessions_nobody_opened_change_nothing() -> None:
    registry = folded(ended("failed"), fact("released"), fact("expired"), fact("declared"))
    assert registry.sessions == {}
    assert registry.expired_owner("s1") is None


def test_a_gateways_start_is_about_no_session() -> None:
    assert Registry().feed(fact("started", session=""), 1.0) is None


@pytest.mark.parametrize(
    "spec",
    [
        None,
        {"id": "s1", "colour": "red"},
        {"id": "s1", "producers": 0},
        {**SPEC.fields(), "plan": "a plan of next year"},
    ],
)
def test_sessions_of_another_release_are_left_alone(spec: object) -> None:
    assert folded(fact("opened", spec=spec)).sessions == {}


def test_an_expired_session_is_forgotten_and_its_id_is_not_used_again() -> None:
    registry = folded(fact("opened"), ended("completed"), fact("expired"), fact("opened"))
    assert registry.sessions == {}
    assert registry.expired_owner("s1") is not None


def test_only_so_many_expired_ids_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "EXPIRED", 2)
    registry = Registry()
    for name in ("a", "b", "c"):
        registry.feed(fact("opened", session=name, spec={**SPEC.fields(), "id": name}), 1.0)
        registry.feed(fact("expired", session=name), 1.0)
    expired = [registry.expired_owner(name) is not None for name in ("a", "b", "c")]
    assert expired == [False, True, True]


def test_bytes_are_added_over_gateways_and_gone_with_the_release() -> None:
    facts = [fact("opened"), fact("alive", bytes=5), fact("alive", "g2", bytes=7)]
    facts.append(fact("alive", bytes=6))
    assert folded(*facts).journal_bytes() == 13
    registry = folded(*facts, fact("released"))
    assert registry.journal_bytes() == 0
    assert registry.sessions["s1"].public()["input_bytes"] == 13


def test_a_session_is_uploaded_when_every_producer_ended_every_table() -> None:
    facts = [table_ended(table, producer) for table in TABLES for producer in (0, 1)]
    assert not folded(fact("opened"), *facts[:-1]).sessions["s1"].uploaded
    assert folded(fact("opened"), *facts).sessions["s1"].uploaded


def test_of_two_counts_of_one_table_the_first_counts() -> None:
    registry = folded(fact("opened"), table_ended("users", 0, 3), table_ended("users", 0, 4))
    assert registry.sessions["s1"].public()["tables"]["users"] == {"0": 3}


def test_what_is_public_is_json_and_complete() -> None:
    registry = folded(fact("opened"), ended("failed", reason="why"), fact("released"))
    public = json.loads(json.dumps(registry.sessions["s1"].public()))
    assert public["id"] == "s1"
    assert (public["state"], public["reason"], public["released"]) == ("failed", "why", True)
    assert (public["plan"], public["producers"], public["partitions"]) == ("staged", 2, 3)


@pytest.mark.parametrize(
    "each",
    [
        fact("opened"),
        fact("started", session=""),
        fact("declared"),
        fact("alive", bytes=3),
        table_ended("users", 1),
        ended("aborted"),
        fact("released"),
        fact("expired"),
    ],
    ids=lambda each: each.kind,
)
def test_a_fact_travels_unchanged(each: Fact) -> None:
    assert Fact.of(each.message()) == each


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "null",
        "{}",
        "[" * 100_000,
        '{"kind": "sung", "session": "s", "gateway": "g", "at": 1}',
        '{"kind": ["opened"], "session": "s", "gateway": "g", "at": 1}',
        '{"kind": "released", "session": ["s"], "gateway": "g", "at": 1}',
        '{"kind": "released", "session": "s", "gateway": "g", "at": "now"}',
        '{"kind": "released", "session": "s", "gateway": "g", "at": 1, "fields": []}',
        '{"kind": "alive", "session": "s", "gateway": "g", "at": 1, "fields": {"bytes": "x"}}',
        '{"kind": "ended", "session": "s", "gateway": "g", "at": 1, "fields": {"state": "open"}}',
        '{"kind": "table_ended", "session": "s", "gateway": "g", "at": 1, "fields": {}}',
        '{"kind": "table_ended", "session": "s", "gateway": "g", "at": 1,'
        ' "fields": {"table": "users"}}',
    ],
    ids=range(14),
)
def test_anything_else_is_no_fact(text: str) -> None:
    with pytest.raises(CodecError):
        Fact.of(Message({}, text.encode()))


FACTS = [
    fact("opened"),
    fact("declared"),
    fact("alive", bytes=1),
    *(table_ended(table, 0) for table in TABLES),
    fact("released"),
]


@st.composite
def interleaved(draw: st.DrawFn) -> list[Fact]:
    """The facts of two gateways, each in its own order with repeats, mixed in any way."""
    ways = []
    for gateway, state in (("g1", "completed"), ("g2", "cancelled")):
        mine = [Fact(f.kind, f.session, gateway, f.at, f.fields) for f in FACTS]
        mine.insert(-1, ended(state, gateway))
        repeated = [draw(st.integers(1, 3)) for _ in mine]
        ways.append([f for f, times in zip(mine, repeated, strict=True) for _ in range(times)])
    order = draw(st.permutations([0] * len(ways[0]) + [1] * len(ways[1])))
    return [ways[which].pop(0) for which in order]


@given(interleaved())
def test_two_gateways_in_any_interleaving_with_repeats_give_one_end(facts: list[Fact]) -> None:
    registry = Registry()
    seen: list[str] = []
    for each in facts:
        registry.feed(each, 1.0)
        state = registry.sessions["s1"].state
        if state != "open" and state not in seen:
            seen.append(state)
    first = next(each for each in facts if each.kind == "ended")
    assert seen == [first.fields["state"]]
    assert registry.sessions["s1"].released
