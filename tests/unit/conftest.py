"""Fixtures: everything that runs is stopped, whatever a test did."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import pykka
import pytest

from coffeeshop.actors import hosted, node, supervision
from coffeeshop.testing.clock import VirtualClock
from tests.unit.helpers import PATIENCE
from tests.unit.spies import SpyTransport


@pytest.fixture
def clock() -> VirtualClock:
    """A clock that moves when told."""
    return VirtualClock()


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

    for module in (hosted, node, supervision):
        monkeypatch.setattr(module, "log", Log())
    return entries


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
        stopped = ref.stop(block=False)
        assert ref.actor_stopped.wait(PATIENCE)
        with suppress(pykka.Timeout):  # unanswered when it was just ending by itself
            stopped.get(timeout=1)
