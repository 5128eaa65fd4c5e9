"""Fixtures of the whole suite: one private broker for everybody who needs one, and the log."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import structlog
from hypothesis import settings

from coffeeshop.settings import choose_scanner

if TYPE_CHECKING:
    from coffeeshop.testing.broker import PrivateBroker

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
