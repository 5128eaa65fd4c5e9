"""Blocking calls: each alone on a channel, again after a lost connection.

A broker that is killed while it makes or deletes a stream may keep the name without the stream
(rabbitmq-server issue 14852; seen on 3.10.8). What is asked about such a name is answered in one of
three ways: by NOT_FOUND for ever, which for a moment is also said of good streams after a start; by
closing the connection at once, without a word of which request it was; by closing it after 30 s,
naming the stream. Whatever the way, the call fails as `JournalBroken` and no other call does.
"""

from __future__ import annotations

import random
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, InvalidStateError
from concurrent.futures import TimeoutError as FutureTimeout
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from coffeeshop.clock import Backoff
from coffeeshop.errors import BrokerRefuses, Forbidden, JournalBroken, Unreachable
from coffeeshop.transport.rabbitmq.commands import Command
from coffeeshop.transport.rabbitmq.connection import (
    Channel,
    ChannelClosedByBroker,
    Connection,
    is_absent,
    is_absent_here,
    is_breakdown,
    is_denied,
)
from coffeeshop.transport.rabbitmq.loop import Loop
from coffeeshop.transport.rabbitmq.reconnecting import ReconnectingConnection
from coffeeshop.transport.rabbitmq.url import Address

ABSENT = Backoff(first=0.1, most=1.0)
ABSENT_PATIENCE = 20.0
"""Seconds a broker that is up gets to have a stream that it knows; all its nodes together, where
each says only that it has no copy."""
ISOLATION = 2.0
"""Seconds an isolated call is alone: what breaks a connection namelessly does so at once."""
CHANNELS = 8
UNANSWERED = 45.0
"""Seconds after which no answer is to be expected: the slowest one known takes 30."""
PERIOD = 5.0
"""Seconds between two looks for such requests."""


OnAnswer = Callable[["Future[Any]"], None]


@dataclass(eq=False)
class _Call:
    command: Command
    answer: Future[Any] = field(default_factory=Future)
    absences: int = 0
    absent_since: float | None = None
    """On the connection there is; on the monotonic clock."""
    without: set[Address] = field(default_factory=set)
    """The nodes that have no copy of what it is about."""
    isolated: bool = False
    """Whether the broker closed a connection over this call, or over another with it."""
    sent: float = 0.0
    """When it was last asked, on the monotonic clock."""

    def succeed(self, answer: Any) -> None:
        with suppress(InvalidStateError):  # its caller waits no longer
            self.answer.set_result(answer)

    def fail(self, error: BaseException) -> None:
        with suppress(InvalidStateError):
            self.answer.set_exception(error)


class Control:
    """Carries out blocking calls, each alone on a channel, again after a lost connection.

    A connection that owes an answer for too long is dropped. `call` is for any thread but the
    loop's; the rest belongs to the loop's thread.
    """

    def __init__(
        self,
        loop: Loop,
        link: ReconnectingConnection,
        now: Callable[[], float] = time.monotonic,
        is_blocked: Callable[[], bool] = lambda: False,
    ) -> None:
        """``is_blocked`` says whether the broker reads nothing from the connection for now."""
        self._loop = loop
        self._link = link
        self._is_blocked = is_blocked
        self._now = now
        self._calls: deque[_Call] = deque()
        self._busy: dict[Channel, _Call | None] = {}
        self._idle: list[Channel] = []
        self._postponed: set[_Call] = set()
        self._closed = False

    def call(self, command: Command, timeout: float) -> Any:
        """Have it done and return the broker's answer.

        Raises `Unreachable` after ``timeout`` seconds or when the transport closes, `Forbidden`
        when the broker refuses the user or the request, `JournalBroken` when it stumbles over it,
        pika's ``ChannelClosedByBroker`` when it refuses for another reason, and `RuntimeError` in
        the transport's own thread, which would wait for itself.
        """
        if self._loop.inside:
            raise RuntimeError("blocking calls must not be made from a callback of the transport")
        call = _Call(command)
        if not self._loop.post(lambda: self._accept(call)):
            raise Unreachable("the transport is closed")
        try:
            return call.answer.result(timeout)
        except FutureTimeout as error:
            call.answer.cancel()
            raise Unreachable(f"the broker did not answer within {timeout:g} s") from error
        except ChannelClosedByBroker as error:
            if is_denied(error):
                raise BrokerRefuses(
                    f"the broker refused the request: {error.reply_text}; "
                    "rabbitmqctl set_permissions gives the permission"
                ) from error
            raise

    def ask(self, command: Command, on_answer: OnAnswer) -> None:
        """Have it done without waiting; ``on_answer`` gets the finished future."""
        call = _Call(command)
        call.answer.add_done_callback(on_answer)
        self._accept(call)

    def close(self) -> None:
        """Fail every open call."""
        self._closed = True
        busy = [call for call in self._busy.values() if call is not None]
        for call in [*busy, *self._calls, *self._postponed]:
            call.fail(Unreachable("the transport was closed"))
        self._calls.clear()

    def connection_up(self, connection: Connection) -> None:
        self._look(connection)
        self._pump()

    def connection_down(self) -> None:
        interrupted = [call for call in self._busy.values() if call is not None]
        self._busy.clear()
        self._idle.clear()
        if is_breakdown(self._link.loss):
            interrupted = self._attribute_failure(interrupted, str(self._link.loss))
        self._calls.extendleft(reversed(interrupted))
        for call in (*self._calls, *self._postponed):
            call.absent_since = None
        if self._link.refusal is not None:
            self._refuse(self._link.refusal)

    def _look(self, connection: Connection) -> None:
        """Drop the connection when it owes an answer for too long."""
        if self._link.connection is not connection:
            return
        now = self._now()
        for call in filter(None, self._busy.values()):
            if self._is_blocked():
                call.sent = now
            elif now - call.sent > UNANSWERED:
                about = call.command.name or "itself"
                self._link.abort(TimeoutError(f"the broker did not answer about {about} in time"))
                return
        self._loop.later(PERIOD, lambda: self._look(connection))

    def _attribute_failure(self, interrupted: list[_Call], words: str) -> list[_Call]:
        """Fail the call that broke the connection; those that may be asked again.

        When several may have done it, each is asked alone from then on.
        """
        named = [c for c in interrupted if c.command.name and f"'{c.command.name}'" in words]
        culprits = named or (interrupted if len(interrupted) == 1 else [])
        for call in culprits:
            call.fail(_broken(call.command.name, words))
        retryable = [call for call in interrupted if call not in culprits]
        for call in retryable:
            call.isolated = call.isolated or not culprits
        return retryable

    def _accept(self, call: _Call) -> None:
        if self._closed:
            call.fail(Unreachable("the transport was closed"))
            return
        self._calls.append(call)
        if self._link.refusal is not None and self._link.connection is None:
            self._refuse(self._link.refusal)
        self._pump()

    def _refuse(self, refusal: Forbidden) -> None:
        while self._calls:
            self._calls.popleft().fail(refusal)

    def _pump(self) -> None:
        connection = self._link.connection
        if connection is None or not connection.is_open:
            return
        for _ in range(min(len(self._calls), len(self._idle))):
            self._run(self._idle.pop())
        opening = sum(call is None for call in self._busy.values())
        for _ in range(min(len(self._calls) - opening, CHANNELS - len(self._busy))):
            self._open_channel(connection)

    def _open_channel(self, connection: Connection) -> None:
        channel = connection.channel(on_open_callback=self._run)
        channel.add_on_close_callback(self._on_channel_closed)
        self._busy[channel] = None

    def _run(self, channel: Channel) -> None:
        call = self._next_call() if channel.is_open else None
        if call is None:
            self._rest(channel)
            return
        self._busy[channel] = call
        call.sent = self._now()
        if call.isolated:
            self._loop.later(ISOLATION, lambda: self._release(call))
        call.command.send(channel, lambda answer: self._done(channel, answer))

    def _next_call(self) -> _Call | None:
        while self._calls and self._calls[0].answer.cancelled():
            self._calls.popleft()
        return self._calls.popleft() if self._calls and self._may_go(self._calls[0]) else None

    def _may_go(self, call: _Call) -> bool:
        """An isolated call goes alone."""
        others = [each for each in self._busy.values() if each is not None]
        return not others if call.isolated else not any(each.isolated for each in others)

    def _release(self, call: _Call) -> None:
        if call in self._busy.values():
            call.isolated = False
            self._pump()

    def _done(self, channel: Channel, answer: Any) -> None:
        call = self._busy.pop(channel, None)
        if call is not None:
            call.succeed(answer)
        self._run(channel)
        self._pump()  # calls that had to wait for an isolated one

    def _rest(self, channel: Channel) -> None:
        self._busy.pop(channel, None)
        if channel.is_open:
            self._idle.append(channel)

    def _on_channel_closed(self, channel: Channel, reason: BaseException) -> None:
        if channel in self._idle:
            self._idle.remove(channel)
        if not isinstance(reason, ChannelClosedByBroker):
            return  # the connection went, and what was open is asked again on the next
        call = self._busy.pop(channel, None)
        if call is not None and is_absent(reason) and call.command.waits_for_absent:
            self._postpone(call, reason)
        elif call is not None:
            call.fail(reason)
        self._pump()

    def _postpone(self, call: _Call, reason: BaseException) -> None:
        """A broker that has just started does not have all its streams yet."""
        now = self._now()
        call.absent_since = now if call.absent_since is None else call.absent_since
        is_here = is_absent_here(reason)
        if now - call.absent_since > ABSENT_PATIENCE / (self._link.hosts if is_here else 1):
            if not is_here or self._is_nowhere(call):
                call.fail(_absent(call.command, str(reason)))
                return
            call.absent_since = None
            self._link.abort(LookupError(f"the node has no copy of {call.command.name}"))

        def again() -> None:
            self._postponed.discard(call)
            self._accept(call)

        self._postponed.add(call)
        call.absences += 1
        self._loop.later(ABSENT.delay(call.absences, random.random), again)

    def _is_nowhere(self, call: _Call) -> bool:
        """Whether by now every node said that it has no copy of what the call is about."""
        call.without.add(self._link.address)
        return len(call.without) == self._link.hosts


def _absent(command: Command, words: str) -> Exception:
    if command.about_queue:
        return Unreachable(f"the broker's node that has the queue {command.name} is down: {words}")
    return _broken(command.name, words)


def _broken(name: str, words: str) -> JournalBroken:
    return JournalBroken(f"the broker holds {name} without a stream: {words}")
