"""Around a broker to kill, which allows few channels and no large messages."""

from __future__ import annotations

from typing import Any

import structlog

from coffeeshop.transport.rabbitmq.transport import RabbitTransport
from tests.transport.heard import PATIENCE, Bench, Heard

FEW_CHANNELS = 64
LARGEST = 1_000_000
SMALL = f"channel_max = {FEW_CHANNELS}\nmax_message_size = {LARGEST}"


class Events(Heard[dict[str, Any]]):
    """Everything that is logged."""

    def wait(self, event: str, **fields: object) -> None:
        """Wait until an event with these fields was logged."""
        wanted = {"event": event, **fields}
        with self._changed:
            assert self._changed.wait_for(
                lambda: any(wanted.items() <= one.items() for one in self._values), PATIENCE
            ), f"no {wanted} in {self._values}"

    def keep(self, _logger: object, _method: str, event: dict[str, Any]) -> dict[str, Any]:
        """A processor of the log."""
        self(dict(event))
        raise structlog.DropEvent


def transport_of(bench: Bench) -> RabbitTransport:
    assert isinstance(bench.transport, RabbitTransport)
    return bench.transport
