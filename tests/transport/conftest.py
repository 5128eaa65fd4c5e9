"""The implementations that pass the conformance suite."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from random import Random

import pytest
import structlog

from coffeeshop.testing.broker import PrivateBroker
from coffeeshop.testing.faults import Cut, Duplicating, Reordering
from coffeeshop.transport import Transport
from coffeeshop.transport.memory import MemoryTransport
from coffeeshop.transport.rabbitmq.transport import RabbitTransport
from tests.transport.fragile import SMALL, Events
from tests.transport.heard import Bench


@dataclass(frozen=True)
class Features:
    """What an implementation is able to do beyond the contract."""

    name: str
    durable: bool
    """Confirmed messages survive a restart of the store."""
    shared: bool
    """Several transports see the same journals and queues."""


@dataclass(frozen=True)
class Harness:
    """How to try out one implementation."""

    features: Features
    connect: Callable[[], Transport]
    """Another transport; to the same store when ``features.shared``."""
    restart: Callable[[], None]
    """Stop the store and start it again; for ``features.durable`` only."""


MakeHarness = Callable[[pytest.FixtureRequest], Harness]
NEVER = 1_000_000_000


def _no_restart() -> None:
    raise NotImplementedError("this store ends with its process")


def _memory(request: pytest.FixtureRequest) -> Harness:
    return Harness(Features("memory", durable=False, shared=False), MemoryTransport, _no_restart)


def _at_rest(wrap: Callable[[MemoryTransport], Transport], name: str) -> MakeHarness:
    features = Features(f"{name} at rest", durable=False, shared=False)
    return lambda request: Harness(features, lambda: wrap(MemoryTransport()), _no_restart)


def _rabbitmq(request: pytest.FixtureRequest) -> Harness:
    broker = request.getfixturevalue("broker")

    def restart() -> None:
        try:
            broker.stop()
        finally:
            broker.start()

    return Harness(
        Features("rabbitmq", durable=True, shared=True),
        lambda: RabbitTransport(broker.url),
        restart,
    )


HARNESSES: dict[str, MakeHarness] = {
    "memory": _memory,
    "rabbitmq": _rabbitmq,
    # A fault that does not strike is a transport like any other.
    "duplicating": _at_rest(lambda inner: Duplicating(inner, Random(0), share=0), "duplicating"),
    "reordering": _at_rest(lambda inner: Reordering(inner, Random(0), window=1), "reordering"),
    "cut": _at_rest(lambda inner: Cut(inner, Random(0), after=(NEVER, NEVER)), "cut"),
}


@pytest.fixture(params=HARNESSES)
def harness(request: pytest.FixtureRequest) -> Harness:
    """Every implementation in turn."""
    return HARNESSES[request.param](request)


@pytest.fixture
def bench(harness: Harness) -> Iterator[Bench]:
    """A transport of the test's own, closed at the end, and its names deleted."""
    made = Bench(harness.connect())
    try:
        yield made
        made.clear()
    finally:
        made.transport.close()


@pytest.fixture
def memory() -> Iterator[MemoryTransport]:
    """What is under the wrapper of a fault."""
    made = MemoryTransport()
    yield made
    made.close()


@pytest.fixture
def events() -> Iterator[Events]:
    """What is logged during the test."""
    before = structlog.get_config()
    heard = Events()
    structlog.configure(
        processors=[heard.keep], wrapper_class=structlog.make_filtering_bound_logger(0)
    )
    yield heard
    structlog.configure(**before)


# Of the package: a broker takes seconds to start, and its tests leave it as a new one would be.
@pytest.fixture(scope="package")
def fragile(broker: PrivateBroker) -> Iterator[PrivateBroker]:
    """A broker to kill, which allows few channels on a connection and no large messages."""
    with PrivateBroker(config=SMALL) as private:
        yield private


@pytest.fixture
def rabbit(fragile: PrivateBroker) -> Iterator[Bench]:
    """A transport to the fragile broker."""
    fragile.start()
    made = Bench(RabbitTransport(fragile.url))
    try:
        yield made
        made.clear()
    finally:
        made.transport.close()
