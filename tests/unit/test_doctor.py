"""What `coffeeshop doctor` makes of the broker's nodes that a gateway tells of."""

from __future__ import annotations

from typing import Any

import pytest

from coffeeshop.commands.doctor import Finding, examine


class Gateway:
    """Answers what a doctor asks."""

    url = "http://gateway"

    def __init__(self, told: dict[str, Any]) -> None:
        self._told = {"examined": 0, "journals": [], "broken": []} | told

    def ready(self) -> bool:
        return True

    def nodes(self) -> list[dict[str, Any]]:
        return [{"types": ["worker"], "tasks": 0}]

    def sessions(self, *_: Any, **__: Any) -> list[dict[str, Any]]:
        return []

    def status(self) -> dict[str, Any]:
        return {}

    def leftovers(self) -> dict[str, Any]:
        return self._told


def node(host: str, **changes: Any) -> dict[str, Any]:
    usual = {"host": host, "version": "4.3.1", "away": "", "without": []}
    return usual | changes


def diagnosis(told: dict[str, Any]) -> Finding:
    gateway: Any = Gateway(told)
    return next(each for each in examine(gateway) if each.check == "the nodes of the broker")


def test_nodes_that_answer_and_have_their_copies_are_well() -> None:
    found = diagnosis({"broker_nodes": [node("a:5672"), node("b:5672")]})
    assert found.ok
    assert found.found == "2 of 2 answer, RabbitMQ 4.3.1"


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"away": "no answer", "version": ""}, "b:5672 is away (no answer)"),
        ({"without": ["ctl.sessions"]}, "b:5672 has no copy of ctl.sessions"),
        ({"version": "4.4.0"}, "they are of different releases"),
    ],
)
def test_what_is_wrong_with_a_node_is_told_with_its_name(
    changes: dict[str, Any], complaint: str
) -> None:
    found = diagnosis({"broker_nodes": [node("a:5672"), node("b:5672", **changes)]})
    assert not found.ok
    assert complaint in found.found
    assert "docs/operations.md" in found.advice


@pytest.mark.parametrize("told", [{}, {"broker_nodes": []}])
def test_a_gateway_that_is_its_own_broker_or_does_not_tell_is_well(told: dict[str, Any]) -> None:
    assert diagnosis(told).ok
