"""Fixtures: everything that runs is stopped, whatever a test did."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import pykka
import pytest

from coffeeshop.actors import SystemClock, hosted, node, supervised, supervision
from coffeeshop.pipeline.messages import SessionSpec
from coffeeshop.testing.clock import VirtualClock
from tests.unit.actors import Actors, Cluster, Session, Stage
from tests.unit.helpers import PATIENCE
from tests.unit.keepers import Keepers
from tests.unit.spies import SpyTransport
from tests.unit.world import World


@pytest.fixture
def clock() -> VirtualClock:
    """A clock that moves when told."""
    return VirtualClock()


@pytest.fixture
def system_clock() -> Iterator[SystemClock]:
    """Real time, ended after the actors."""
    made = SystemClock()
    yield made
    made.close()


@pytest.fixture
def logged(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What supervisors and nodes log, as one dict an entry.

    Not by structlog's own capturing, which swaps the processors under other threads' hands.
    """
    entries: list[dict[str, Any]] = []

    class Log:
        def __getattr__(self, level: str) -> Callable[..., None]:
            return lambda event, **fields: entries.append(
                {"event": event, "level": level, **fields}
            )

    for module in (hosted, node, supervised, supervision):
        monkeypatch.setattr(module, "log", Log())
    return entries


@pytest.fixture
def transport() -> Iterator[SpyTransport]:
    """A transport of its own, closed at the end."""
    made = SpyTransport()
    yield made
    made.close()


@pytest.fixture
def actors(transport: SpyTransport) -> Iterator[Actors]:
    """Add every actor a test starts; they are stopped before the transport closes."""
    started: Actors = []
    yield started
    for ref in reversed(started):
        stopped = ref.stop(block=False)
        assert ref.actor_stopped.wait(PATIENCE)
        with suppress(pykka.Timeout):  # unanswered when it was just ending by itself
            stopped.get(timeout=1)


@pytest.fixture
def keepers(clock: VirtualClock, actors: Actors) -> Keepers:
    """Supervisors in virtual time."""
    return Keepers(clock, actors)


@pytest.fixture
def cluster(transport: SpyTransport, system_clock: SystemClock, actors: Actors) -> Cluster:
    """No node yet, in real time."""
    return Cluster(transport, system_clock, actors)


@pytest.fixture
def session(transport: SpyTransport, clock: VirtualClock, actors: Actors) -> Session:
    """A session in virtual time that no actor works on yet."""
    return Session(SessionSpec("s", "fused", producers=1, partitions=2), transport, clock, actors)


@pytest.fixture
def stage(transport: SpyTransport, clock: VirtualClock, actors: Actors) -> Stage:
    """The journals of a session in virtual time, and no task actor yet."""
    return Stage(SessionSpec("s", "staged", producers=1, partitions=1), transport, clock, actors)


@pytest.fixture
def world() -> Iterator[World]:
    """A broker in memory and no replica of the gateway yet."""
    made = World()
    yield made
    made.close()
