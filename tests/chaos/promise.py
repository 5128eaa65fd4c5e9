"""The promise, checked from outside: one correct end, told once, and nothing left behind."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

import httpx2 as httpx

from coffeeshop.client.gateway import GatewayClient
from coffeeshop.client.remote import fetch
from coffeeshop.client.sse import parse_events
from coffeeshop.errors import CoffeeshopError
from coffeeshop.formats import to_csv
from coffeeshop.names import ENDS
from coffeeshop.pipeline.messages import Record, SessionSpec, out_journal
from coffeeshop.pipeline.plan import plan_named
from coffeeshop.sessions.results import ResultFold
from coffeeshop.testing.broker import PrivateBroker
from coffeeshop.transport import Delivery, Transport

PATIENCE = 90.0
LASTING = ("ctl.",)
"""How the names of objects begin that belong to no session."""


def eventually(holds: Callable[[], bool], what: str, timeout: float = PATIENCE) -> None:
    """Wait until it holds; there is no event where only the outside is seen."""
    deadline = time.monotonic() + timeout
    pause = threading.Event()
    while not holds():
        assert time.monotonic() < deadline, f"not within {timeout:g} s: {what}"
        pause.wait(0.1)


@dataclass(frozen=True)
class Told:
    """What the out journal of a session says to whoever reads it."""

    terminals: int
    failure: str | None
    kinds: tuple[str, ...]


def told(transport: Transport, spec: SessionSpec) -> Told:
    """Read the out journal to its present end."""
    marker = Record("probe", "marker", "test", time.monotonic_ns())
    fold, kinds = ResultFold(spec), list[str]()
    ended = threading.Event()
    terminals: list[object] = []

    def take(delivery: Delivery) -> None:
        record = Record.of(delivery.message)
        if record == marker:
            ended.set()
            return
        kinds.append(record.kind)
        before = fold.terminal
        after = fold.feed(record)
        if after is not None and before is None:
            terminals.append(after)

    transport.append(out_journal(spec.id), marker.message(), lambda _: None)
    reader = transport.read(out_journal(spec.id), 0, 1_000_000, take, ended.set)
    assert ended.wait(PATIENCE), "the out journal does not come to its end"
    reader.close()
    end = fold.terminal
    failure = None if end is None or end.state == "completed" else end.reason
    return Told(len(terminals), failure, tuple(kinds))


def objects(spec: SessionSpec) -> list[str]:
    """The names of all objects of a session."""
    return [out_journal(spec.id), *(task.journal for task in plan_named(spec.plan).tasks(spec))]


def ends(client: GatewayClient, session: str) -> list[str]:
    """The terminal events that somebody hears who listens from the beginning and to the last byte.

    Not with `GatewayClient.events`, which stops at the first one.
    """
    url = f"{client.url}/v1/sessions/{session}/events"
    with httpx.stream("GET", url, timeout=PATIENCE) as answer:
        assert answer.status_code == 200
        return [event.name for event in parse_events(answer.iter_lines()) if event.name in ENDS]


def results(client: GatewayClient, spec: SessionSpec) -> dict[str, str]:
    """File name to content."""
    tables = fetch(client, spec.id, plan_named(spec.plan).results)
    return {f"{name}.csv": to_csv(table).decode() for name, table in tables.items()}


def check_completed(
    client: GatewayClient, transport: Transport, spec: SessionSpec, expected: dict[str, str]
) -> None:
    """Exactly one end, the right answers, and of its objects the out journal only."""
    assert ends(client, spec.id) == ends(client, spec.id) == ["completed"]
    assert results(client, spec) == expected
    eventually(lambda: bool(client.session(spec.id)["released"]), "its input is released")
    assert client.session(spec.id)["state"] == "completed"
    assert [name for name in objects(spec) if transport.exists(name)] == [out_journal(spec.id)]
    found = told(transport, spec)
    assert (found.terminals, found.failure) == (1, None)


def check_failed(client: GatewayClient, transport: Transport, spec: SessionSpec) -> str:
    """Exactly one explicit failure; its reason."""
    assert ends(client, spec.id) == ends(client, spec.id) == ["failed"]
    eventually(lambda: bool(client.session(spec.id)["released"]), "its input is released")
    shown = client.session(spec.id)
    found = told(transport, spec)
    assert shown["state"] == "failed"
    assert (found.terminals, found.failure) == (1, shown["reason"])
    return str(shown["reason"])


def check_gone(client: GatewayClient, transport: Transport, spec: SessionSpec) -> None:
    """Nothing is left of it."""

    def forgotten() -> bool:
        try:
            client.session(spec.id)
        except CoffeeshopError:
            return True
        return False

    eventually(forgotten, "the session expires")
    assert not [name for name in objects(spec) if transport.exists(name)]


def left_on(broker: PrivateBroker) -> dict[str, int]:
    """The objects that belong to sessions, and the queues in which something waits."""
    lines = broker.rabbitmqctl("list_queues", "name", "type", "messages", "--no-table-headers")
    rows = [line.split("\t") for line in lines.splitlines()]
    return {
        name: int(messages)
        for name, kind, messages in rows
        if not name.startswith(LASTING) or (kind == "quorum" and int(messages))
    }


def nothing_is_left_on(broker: PrivateBroker) -> None:
    """The broker holds what it holds when nobody was ever there."""
    eventually(lambda: not left_on(broker), "nothing is left on the broker")
