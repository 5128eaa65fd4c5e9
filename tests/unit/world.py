"""A broker, replicas of the gateway and perhaps a node, with a clock that moves when told."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from typing import Any, Protocol

from coffeeshop.actors.hosted import HostedNode
from coffeeshop.actors.keeper_supervisor import HostedKeepers
from coffeeshop.names import STAGES
from coffeeshop.pipeline.messages import SessionSpec
from coffeeshop.sessions.events import SESSIONS, SessionEvent
from coffeeshop.sessions.lifecycle import Session, Timeouts
from coffeeshop.sessions.outcome import SessionOutcome
from coffeeshop.sessions.sessions import Sessions
from coffeeshop.testing.clock import VirtualClock
from coffeeshop.transport import Delivery, Message
from coffeeshop.transport.memory import MemoryTransport
from tests.running import PATIENCE, eventually, new_id
from tests.unit.helpers import input_records, tuples

TIMEOUTS = Timeouts(client_timeout=60.0, result_ttl=3600.0, session_ttl=10_000.0)


PING = TIMEOUTS.client_timeout / 12
"""Seconds between the pings by which a replica hears itself."""


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
        self.keepers: dict[Sessions, HostedKeepers] = {}
        self.node: HostedNode | None = None

    def replica(self, name: str, *, keeps: bool = True, **how: Any) -> Sessions:
        """One replica of the gateway; one that ``keeps`` nothing leaves that to others."""
        how = {"now": self.time, "wall": self.time, **how}
        made = Sessions(self.transport, TIMEOUTS, name=name, **how)
        self.replicas.append(made)
        made.start()
        self.keepers[made] = keepers = HostedKeepers(made, period=0.005)
        if keeps:
            keepers.start()
        return made

    def work(self) -> None:
        self.node = HostedNode(self.transport, STAGES, lambda reason: None)

    def stop(self, replica: Sessions) -> None:
        self.replicas.remove(replica)
        replica.log.give_up()
        self.keepers.pop(replica).close()
        replica.close()

    def close(self) -> None:
        for replica in list(self.replicas):
            self.stop(replica)
        if self.node is not None:
            self.node.close(0.0)
        self.transport.close()

    def passes(self, seconds: float) -> None:
        """Time in which every replica hears its own words."""
        pass_time(self.time, self.replicas, seconds)

    def left(self) -> list[str]:
        return [name for name in self.transport.names() if not name.startswith("ctl.")]

    def events(self) -> list[SessionEvent]:
        """Everything that was written about sessions so far."""
        return [SessionEvent.of(delivery.message) for delivery in self.journal(SESSIONS)]

    def written(self, kind: str) -> list[SessionEvent]:
        return [event for event in self.events() if event.kind == kind]

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
    """Time in which every replica hears its own pings."""
    late = {replica: clock.seconds - replica.log.moment().log for replica in replicas}
    while seconds > 0:
        step = min(PING, seconds)
        clock.seconds += step
        seconds -= step
        for replica, before in late.items():
            eventually(lambda r=replica, b=before: hears(clock, r, b), "a replica hears itself")  # type: ignore[misc]


def hears(clock: Clock, replica: Sessions, late: float) -> bool:
    """Whether it heard a ping of its own just now; with no session open there is none."""
    is_open = any(session.state == "open" for session in replica.log.all())
    return not is_open or clock.seconds - replica.log.moment().log - late < PING


def spec_of(**how: Any) -> SessionSpec:
    return SessionSpec(new_id(), **how)


def table_ended(
    sessions: Sessions, spec: SessionSpec, table: str, producer: str, batches: int
) -> None:
    """Every batch of a table was taken from a producer."""
    sessions.table_ended(spec.id, table, producer, batches).result(PATIENCE)


def feed(sessions: Sessions, spec: SessionSpec) -> None:
    """Everything a session's clients send."""
    ingest = sessions.ingest(spec)
    for record in input_records(spec):
        if record.kind == "batch":
            stored = ingest.batch(record.stream, record.producer, record.number, record.body, "d")
        else:
            stored = ingest.end(record.stream, record.producer, record.number)
        stored.result(PATIENCE)
        sessions.log.seen(spec.id, len(record.body))
        if record.kind == "eof":
            table_ended(sessions, spec, record.stream, record.producer, record.number)


def state(sessions: Sessions, spec: SessionSpec) -> str:
    known = sessions.log.get(spec.id)
    return "expired" if known is None else known.state


def reaches(sessions: Sessions, spec: SessionSpec, wanted: str) -> Session:
    """What is known of it once it is in that state (or ``expired``)."""
    eventually(lambda: state(sessions, spec) == wanted, f"the session is {wanted}")
    return sessions.log.updated(Session(spec, "", 0.0))


def looked(world: World, replica: Sessions | None = None) -> None:
    """Wait until a replica's keepers have looked at everything twice."""
    sessions = replica or world.replicas[0]
    keepers = world.keepers[sessions]
    for _ in range(2):
        asked = sessions.clock.now()
        eventually(lambda a=asked: sessions.clock.now() - keepers.age > a, "it came round")  # type: ignore[misc]


def in_background(work: Callable[[], Any]) -> threading.Thread:
    thread = threading.Thread(target=work)
    thread.start()
    return thread


def released(sessions: Sessions, spec: SessionSpec) -> bool:
    known = sessions.log.get(spec.id)
    return known is None or known.released


def uploaded(sessions: Sessions, spec: SessionSpec) -> bool:
    known = sessions.log.get(spec.id)
    return known is not None and known.uploaded


def results(world: World, spec: SessionSpec) -> dict[str, list[tuple[Any, ...]]]:
    outcome = SessionOutcome(world.transport, spec, VirtualClock())
    tables = outcome.completed(PATIENCE).tables
    return {query: tuples(table) for query, table in tables.items()}
