"""A broker, replicas of the gateway and perhaps a node, with a clock that moves when told."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from typing import Any, Protocol

from coffeeshop.actors.hosted import HostedNode
from coffeeshop.names import STAGES
from coffeeshop.pipeline.messages import SessionSpec
from coffeeshop.sessions.facts import SESSIONS, Fact
from coffeeshop.sessions.lifetimes import Lifetimes
from coffeeshop.sessions.outcome import SessionOutcome
from coffeeshop.sessions.registry import Session
from coffeeshop.sessions.sessions import Sessions
from coffeeshop.testing.clock import VirtualClock
from coffeeshop.transport import Delivery, Message
from coffeeshop.transport.memory import MemoryTransport
from tests.running import PATIENCE, eventually, new_id
from tests.unit.helpers import input_records, tuples

LIFETIMES = Lifetimes(client_timeout=60.0, result_ttl=3600.0, session_ttl=10_000.0)


WORDS = LIFETIMES.client_timeout / 12
"""Seconds between words that a replica says to hear itself."""


class Time:
    """One time for everybody."""

    def __init__(self) -> None:
        self.seconds = 1_000.0

    def __call__(self) -> float:
        return self.seconds


class World:
    """A broker, replicas of the gateway, perhaps a node."""

    def __init__(self, transport: MemoryTransport | None = None) -> None:
        self.transport = transport or MemoryTransport()
        self.time = Time()
        self.replicas: list[Sessions] = []
        self.node: HostedNode | None = None

    def replica(self, name: str, **how: Any) -> Sessions:
        how = {"now": self.time, "wall": self.time, "period": 0.005, **how}
        made = Sessions(self.transport, LIFETIMES, name=name, **how)
        self.replicas.append(made)
        made.start()
        return made

    def work(self) -> None:
        self.node = HostedNode(self.transport, STAGES, lambda reason: None)

    def stop(self, replica: Sessions) -> None:
        self.replicas.remove(replica)
        replica.close()

    def close(self) -> None:
        for replica in self.replicas:
            replica.close()
        if self.node is not None:
            self.node.close(0.0)
        self.transport.close()

    def passes(self, seconds: float) -> None:
        """Time in which every replica hears its own words."""
        pass_time(self.time, self.replicas, seconds)

    def left(self) -> list[str]:
        return [name for name in self.transport.names() if not name.startswith("ctl.")]

    def facts(self) -> list[Fact]:
        """Everything that was said about sessions so far."""
        return [Fact.of(delivery.message) for delivery in self.journal(SESSIONS)]

    def said(self, kind: str) -> list[Fact]:
        return [fact for fact in self.facts() if fact.kind == kind]

    def journal(self, name: str) -> list[Delivery]:
        found: list[Delivery] = []
        done = threading.Event()
        reader = self.transport.read(name, 0, 1 << 30, found.append, lambda: None)
        self.transport.append("no such journal", Message(), lambda outcome: done.set())
        assert done.wait(PATIENCE)
        reader.close()
        return found


class Clock(Protocol):
    """Seconds that a test sets."""

    seconds: float


def pass_time(clock: Clock, replicas: Iterable[Sessions], seconds: float) -> None:
    """Time in which every replica hears its own words."""
    while seconds > 0:
        step = min(WORDS, seconds)
        clock.seconds += step
        seconds -= step
        for replica in replicas:
            eventually(lambda replica=replica: hears(clock, replica), "a replica hears itself")


def hears(clock: Clock, replica: Sessions) -> bool:
    """Whether it heard a word of its own just now; with no session open there is none."""
    is_open = any(session.state == "open" for session in replica.chronicle.all())
    return not is_open or clock.seconds - replica.chronicle._hearing._last < WORDS


def spec_of(**how: Any) -> SessionSpec:
    return SessionSpec(new_id(), **how)


def feed(sessions: Sessions, spec: SessionSpec) -> None:
    """Everything a session's clients send."""
    ingest = sessions.ingest(spec)
    for record in input_records(spec):
        if record.kind == "batch":
            stored = ingest.batch(record.stream, record.producer, record.number, record.body, "d")
        else:
            stored = ingest.end(record.stream, record.producer, record.number)
        stored.result(PATIENCE)
        sessions.chronicle.seen(spec.id, len(record.body))
        if record.kind == "eof":
            ended = sessions.table_ended(spec.id, record.stream, record.producer, record.number)
            ended.result(PATIENCE)


def state(sessions: Sessions, spec: SessionSpec) -> str:
    known = sessions.chronicle.get(spec.id)
    return "expired" if known is None else known.state


def reaches(sessions: Sessions, spec: SessionSpec, wanted: str) -> Session | None:
    eventually(lambda: state(sessions, spec) == wanted, f"the session is {wanted}")
    return sessions.chronicle.get(spec.id)


def looked(world: World, replica: Sessions | None = None) -> None:
    """Wait until a replica has looked at everything twice."""
    sessions = replica or world.replicas[0]
    times = threading.Semaphore(0)
    before = sessions.chronicle.all

    def counted() -> list[Session]:
        times.release()
        return before()

    sessions.chronicle.all = counted  # type: ignore[method-assign]
    for _ in range(3):
        assert times.acquire(timeout=PATIENCE)
    sessions.chronicle.all = before  # type: ignore[method-assign]


def in_background(work: Callable[[], Any]) -> threading.Thread:
    thread = threading.Thread(target=work)
    thread.start()
    return thread


def released(sessions: Sessions, spec: SessionSpec) -> bool:
    known = sessions.chronicle.get(spec.id)
    return known is None or known.released


def results(world: World, spec: SessionSpec) -> dict[str, list[tuple[Any, ...]]]:
    outcome = SessionOutcome(world.transport, spec, VirtualClock())
    tables = outcome.completed(PATIENCE).tables
    return {query: tuples(table) for query, table in tables.items()}
