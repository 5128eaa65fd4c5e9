"""Fixtures of the whole suite: one private broker for everybody who needs one, and the log."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

import pytest
import structlog
from hypothesis import settings

from coffeeshop.settings import choose_scanner

if TYPE_CHECKING:
    from coffeeshop.testing.broker import PrivateBroker

SWITCH_SECONDS = (1e-6, 1e-5, 1e-4, 5e-3)
"""Until a thread gives the interpreter to another one; the last is Python's own."""

# Others use the processor as well: how long an example takes says nothing of what it tests.
settings.register_profile("patient", deadline=None)
settings.load_profile("patient")
choose_scanner()  # as the command line does: the suite also runs without the native one


@pytest.fixture(autouse=True)
def log_apart() -> Iterator[None]:
    """What is logged goes to the process's standard error until a test sets up something else.

    Actors of one test may still say something while the next one reads what it has printed itself,
    and a log set up by one test must not outlive the file it went to.
    """
    structlog.reset_defaults()
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.__stderr__))
    yield
    structlog.reset_defaults()
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.__stderr__))


@pytest.fixture(autouse=True)
def thread_switches(request: pytest.FixtureRequest) -> Iterator[None]:
    """With a seed in THREAD_SWITCHES threads take turns at random times: see scripts/races.sh."""
    seed, before = os.environ.get("THREAD_SWITCHES"), sys.getswitchinterval()
    if seed is not None:
        sys.setswitchinterval(Random(f"{seed} {request.node.nodeid}").choice(SWITCH_SECONDS))
    yield
    sys.setswitchinterval(before)


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory of one module: hypothesis runs many examples within one test."""
    return tmp_path_factory.mktemp("module")


@pytest.fixture(scope="session")
def broker() -> Iterator[PrivateBroker]:
    """A RabbitMQ server of this test session's own: use names that nobody else uses.

    A test that stops or kills it starts it again, whatever happens.
    """
    from coffeeshop.testing.broker import PrivateBroker, rabbitmq_available

    if not rabbitmq_available():
        reason = "NOT TESTED AGAINST A BROKER: rabbitmq-server is not installed"
        if "CI" in os.environ:
            pytest.fail(reason)
        pytest.skip(reason)
    with PrivateBroker() as private:
        yield private
