"""Names that a broker keeps without a journal, as a killed RabbitMQ does."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from coffeeshop.actors.rounds import ORPHANS_PERIOD
from coffeeshop.client.gateway import GatewayClient
from coffeeshop.client.remote import OPENINGS, open_with_new_id
from coffeeshop.commands.doctor import Finding, examine
from coffeeshop.errors import JournalBroken, SessionFailed, Unreachable
from coffeeshop.pipeline.messages import SessionSpec, out_journal
from coffeeshop.pipeline.plan import plan_named
from coffeeshop.transport.memory import MemoryTransport
from tests.running import eventually
from tests.unit.world import World, feed, reaches, released, spec_of


class Stubborn(MemoryTransport):
    """Can neither make nor let go of journals with some names."""

    def __init__(self) -> None:
        super().__init__()
        self.broken: set[str] = set()
        self.kept: set[str] = set()
        """Names that are kept only once there has been a journal."""
        self.tries: list[str] = []
        self.on_declare: Callable[[str], None] = lambda _name: None

    def declare_journal(self, name: str, max_bytes: int | None = None) -> None:
        self._check(name)
        self.on_declare(name)
        super().declare_journal(name, max_bytes)
        self.broken |= self.kept & {name}

    def delete_journal(self, name: str) -> None:
        super().delete_journal(name)  # what it held is gone all the same
        self.tries.append(name)
        self._check(name)

    def _check(self, name: str) -> None:
        if name in self.broken:
            raise JournalBroken(f"the broker holds {name}")


@pytest.fixture
def broker() -> Stubborn:
    return Stubborn()


@pytest.fixture
def world(broker: Stubborn) -> Iterator[World]:
    made = World(broker)
    yield made
    made.close()


def inputs(spec: SessionSpec) -> list[str]:
    return [task.journal for task in plan_named(spec.plan).tasks(spec)]


def test_a_session_that_cannot_be_opened_fails_and_leaves_no_journal(
    world: World, broker: Stubborn
) -> None:
    gateway, spec = world.replica("g"), spec_of()
    broker.broken = {inputs(spec)[0]}
    with pytest.raises(SessionFailed, match="open another: the broker holds"):
        gateway.open(spec)
    failed = reaches(gateway, spec, "failed")
    assert "open another" in failed.reason
    eventually(lambda: released(gateway, spec), "the session is released")
    assert [name for name in world.left() if spec.id in name] == [out_journal(spec.id)]
    assert gateway.open(spec_of()).declared


def test_a_session_is_released_though_the_broker_keeps_a_name(
    world: World, broker: Stubborn
) -> None:
    gateway, other, spec = world.replica("g"), world.replica("h"), spec_of()
    world.work()
    gateway.open(spec)
    broker.broken = {inputs(spec)[0], out_journal(spec.id)}
    feed(gateway, spec)
    known = reaches(gateway, spec, "completed")
    eventually(lambda: released(gateway, spec), "the session is released")
    assert gateway.log.updated(known).journal_bytes == 0
    world.time.seconds += 4_000.0
    reaches(gateway, spec, "expired")
    for replica in (gateway, other):
        names = dict.fromkeys(broker.broken, spec.id)
        eventually(lambda r=replica, n=names: r.log.broken() == n, "the names are known")  # type: ignore[misc]


def test_a_name_that_is_kept_when_a_session_ends_while_it_is_opened_is_known(
    world: World, broker: Stubborn
) -> None:
    gateway, spec = world.replica("g"), spec_of()
    last = inputs(spec)[-1]

    def end_it(name: str) -> None:
        """The session ends before its last journal is made."""
        known = gateway.log.get(spec.id)
        if name == last and known is not None:
            broker.on_declare = lambda _name: None
            gateway.end(known, "cancelled", "")

    broker.on_declare = end_it
    broker.kept = {last}
    gateway.open(spec)
    eventually(lambda: gateway.log.broken() == {last: spec.id}, "the name is known")


def test_a_name_is_tried_again_now_and_then_until_it_is_gone(
    world: World, broker: Stubborn
) -> None:
    gateway, spec = world.replica("g"), spec_of()
    gateway.open(spec)
    name = inputs(spec)[0]
    broker.broken = {name}
    gateway.end(reaches(gateway, spec, "open"), "cancelled", "")
    eventually(lambda: broker.tries.count(name) == 2, "it is tried again at once")
    broker.broken.clear()
    world.time.seconds += ORPHANS_PERIOD + 1.0
    eventually(lambda: gateway.log.broken() == {}, "nothing is broken any more")
    assert [fact.fields["journal"] for fact in world.written("orphan_deleted")] == [name]
    again = world.replica("h")
    assert again.log.broken() == {}


class Refusing:
    """A gateway whose broker cannot open the first sessions."""

    def __init__(self, *answers: Any) -> None:
        self.answers = list(answers)
        self.opened: list[SessionSpec] = []

    def open(self, spec: SessionSpec, name: str) -> dict[str, Any]:
        self.opened.append(spec)
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return {"state": answer, "name": name}


FOLDER: Any = SimpleNamespace(name="north")


@pytest.mark.parametrize("first", ["failed", SessionFailed("it could not be opened")])
def test_a_client_opens_another_session_when_one_cannot_be_opened(first: Any) -> None:
    gateway: Any = Refusing(first, "open")
    wanted = spec_of(plan="staged", partitions=3)
    spec = open_with_new_id(gateway, FOLDER, wanted)
    assert gateway.opened == [wanted, spec]
    assert spec.id != wanted.id
    assert (spec.plan, spec.partitions) == ("staged", 3)


def test_a_client_does_not_try_for_ever() -> None:
    gateway: Any = Refusing(*[SessionFailed("no")] * OPENINGS)
    with pytest.raises(SessionFailed):
        open_with_new_id(gateway, FOLDER, spec_of())
    assert gateway.answers == []


def test_a_gateway_that_does_not_answer_is_no_reason_for_another_session() -> None:
    gateway: Any = Refusing(Unreachable("nobody there"))
    with pytest.raises(Unreachable):
        open_with_new_id(gateway, FOLDER, spec_of())


class Healthy:
    """A gateway that answers what a doctor asks."""

    url = "http://gateway"

    def __init__(self, broken: list[str]) -> None:
        self._broken = broken

    def ready(self) -> bool:
        return True

    def nodes(self) -> list[dict[str, Any]]:
        return [{"types": ["worker"], "tasks": 0}]

    def sessions(self, *_: Any, **__: Any) -> list[dict[str, Any]]:
        return []

    def status(self) -> dict[str, Any]:
        return {"broker_files": 5, "broker_files_limit": 100}

    def leftovers(self) -> dict[str, Any]:
        return {"examined": 0, "journals": [], "broken": self._broken}


@pytest.mark.parametrize("broken", [[], ["in.a", "out.b"]])
def test_the_doctor_names_them_and_says_where_the_command_is(broken: list[str]) -> None:
    gateway: Any = Healthy(broken)
    client: GatewayClient = gateway
    found: dict[str, Finding] = {each.check: each for each in examine(client)}
    finding = found.pop("no broken stream names on the broker")
    assert finding.ok is not bool(broken)
    assert finding.found.startswith(f"{len(broken)} names")
    assert all(name in finding.advice for name in broken)
    assert "docs/operations.md" in finding.advice
    assert all(each.ok for each in found.values())
