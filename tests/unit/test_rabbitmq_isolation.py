"""Which subscription breaks connections: those that may attach alone, one after the other."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from coffeeshop.transport.rabbitmq.isolation import Isolation


class Subscriber:
    """Notes when it is its turn."""

    def __init__(self, name: str, turns: list[str]) -> None:
        self.closed = False
        self._name = name
        self._turns = turns

    def attach_to(self, link: object) -> None:
        self._turns.append(self._name)


def make(turns: list[str]) -> tuple[Isolation, list[Any]]:
    made: list[Any] = []

    def link() -> Any:
        opened = SimpleNamespace(listeners=set(), open=lambda: turns.append("open"))
        made.append(opened)
        return opened

    return Isolation(link), made


def test_subscriptions_attach_one_at_a_time_on_one_connection() -> None:
    turns: list[str] = []
    isolation, made = make(turns)
    first, second = (Subscriber(name, turns) for name in ("first", "second"))
    isolation.enter(first)  # type: ignore[arg-type]
    isolation.enter(second)  # type: ignore[arg-type]
    assert turns == ["first", "open"]
    assert isolation.holds(first)  # type: ignore[arg-type]
    assert made[0].listeners == {first}
    isolation.leave(first)  # type: ignore[arg-type]
    assert turns == ["first", "open", "second", "open"]
    assert made[0].listeners == {second}
    assert len(made) == 1


def test_who_is_not_inside_leaves_nothing_and_who_was_closed_is_passed_over() -> None:
    turns: list[str] = []
    isolation, made = make(turns)
    first, closed, last = (Subscriber(name, turns) for name in ("first", "closed", "last"))
    for each in (first, closed, last):
        isolation.enter(each)  # type: ignore[arg-type]
    closed.closed = True
    isolation.leave(last)  # type: ignore[arg-type]
    assert isolation.holds(first)  # type: ignore[arg-type]
    isolation.leave(first)  # type: ignore[arg-type]
    assert isolation.holds(last)  # type: ignore[arg-type]
    isolation.leave(last)  # type: ignore[arg-type]
    assert made[0].listeners == set()
    assert "closed" not in turns
