"""A session's out journal watched for its terminal event, in little memory."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from coffeeshop.errors import CoffeeshopError
from coffeeshop.observability.logs import get_logger
from coffeeshop.pipeline.messages import Record, SessionSpec, out_journal
from coffeeshop.sessions.results import Failed, ResultFold, Terminal
from coffeeshop.transport import Delivery, Following, Transport, dropped_before, loss

log = get_logger()
CREDIT = 8


@dataclass
class Found:
    """What an out journal holds so far."""

    times: dict[str, float] = field(default_factory=dict)
    """When each complete query was complete, in seconds since 1970: as its record says, or else
    as it was read."""
    bytes: int = 0


class Watch:
    """Calls ``on_terminal`` once, from the transport's thread, at the session's terminal event."""

    def __init__(
        self,
        transport: Transport,
        spec: SessionSpec,
        on_terminal: Callable[[str, Terminal, Found], None],
        on_gone: Callable[[str], None],
        wall: Callable[[], float] = time.time,
    ) -> None:
        """``on_gone`` is called, from the transport's thread, when there is no such journal."""
        self._fold = ResultFold(spec, keep=())
        self._session = spec.id
        self._on_terminal = on_terminal
        self._wall = wall
        self.found = Found()
        self._following = Following(
            transport,
            out_journal(spec.id),
            self._deliver,
            lambda: on_gone(spec.id),
            window=CREDIT,
        )

    def close(self) -> None:
        """Stop watching."""
        self._following.close()

    @property
    def complete(self) -> list[str]:
        """The queries whose results are all there."""
        return self._fold.complete

    def _deliver(self, delivery: Delivery) -> bool:
        at = self._wall()
        self.found.bytes += len(delivery.message.body)
        try:
            record = Record.of(delivery.message)
            at = record.at or at
            terminal = self._fold.feed(record)
            if dropped := dropped_before(delivery):
                words = loss(out_journal(self._session), dropped)
                terminal = self._fold.terminal = Failed(words)
        except (CoffeeshopError, KeyError) as error:
            terminal = self._fold.terminal = Failed(f"the results cannot be read: {error}")
        new = {query: at for query in self._fold.complete if query not in self.found.times}
        # A new value, not a change: other threads read it.
        self.found = Found({**self.found.times, **new}, self.found.bytes)
        if terminal is None:
            return True
        state = terminal.state if isinstance(terminal, Failed) else "completed"
        log.info("eof_protocol.session_completed", session=self._session, outcome=state)
        self._on_terminal(self._session, terminal, self.found)
        return False
