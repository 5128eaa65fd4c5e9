"""Fixtures of the whole suite: one private broker for everybody who needs one."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from coffeeshop.testing.broker import PrivateBroker


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
