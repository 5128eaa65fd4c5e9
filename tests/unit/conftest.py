"""Fixtures: everything that runs is stopped, whatever a test did."""

from __future__ import annotations

from collections.abc import Iterator

import pykka
import pytest

from tests.unit.helpers import PATIENCE, ManualClock, SpyTransport


@pytest.fixture
def clock() -> ManualClock:
    """A clock that moves when told."""
    return ManualClock()


@pytest.fixture
def transport() -> Iterator[SpyTransport]:
    """A transport of its own, closed at the end."""
    made = SpyTransport()
    yield made
    made.close()


@pytest.fixture
def actors(transport: SpyTransport) -> Iterator[list[pykka.ActorRef[pykka.Actor]]]:
    """Add every actor a test starts; they are stopped before the transport closes."""
    started: list[pykka.ActorRef[pykka.Actor]] = []
    yield started
    for ref in reversed(started):
        ref.stop(timeout=PATIENCE)
    assert not [ref for ref in started if ref.is_alive()]
