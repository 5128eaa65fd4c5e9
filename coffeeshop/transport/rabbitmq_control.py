"""Blocking calls: declaring, deleting, looking."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, InvalidStateError
from concurrent.futures import TimeoutError as FutureTimeout
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from coffeeshop.errors import Forbidden, Unreachable
from coffeeshop.transport.rabbitmq_link import Link
from coffeeshop.transport.rabbitmq_loop import Loop
from coffeeshop.transport.rabbitmq_wire import (
    Channel,
    ChannelClosedByBroker,
    Wire,
    is_absent,
)

ACCESS_REFUSED = 403
ABSENT_DELAY = 0.1
CHANNELS = 8

Act = Callable[[Channel, Callable[[Any], None]], None]
"""Sends one request on a channel; the second argument is called with the broker's answer."""


OnAnswer = Callable[["Future[Any]"], None]


@dataclass(eq=False)
class _Call:
    act: Act
    answer: Future[Any] = field(default_factory=Future)

    def succeed(self, answer: Any) -> None:
        with suppress(InvalidStateError):  # nobody waits for it any more
            self.answer.set_result(answer)

    def fail(self, error: BaseException) -> None:
        with suppress(InvalidStateError):
            self.answer.set_exception(error)


def look() -> Act:
    """Do nothing: it succeeds when a channel is open."""
    return lambda _channel, done: done(None)


def declare(name: str, arguments: dict[str, Any]) -> Act:
    """Declare a durable queue or stream. Answers None."""
    return lambda channel, done: channel.queue_declare(
        name, durable=True, arguments=arguments, callback=lambda _frame: done(None)
    )


def exists(name: str) -> Act:
    """Answers None when a queue or stream is there; refused as missing otherwise."""
    return lambda channel, done: channel.queue_declare(
        name, passive=True, callback=lambda _frame: done(None)
    )


def declare_exchange(name: str) -> Act:
    """Declare an exchange that does not survive a restart of the broker. Answers None."""
    return lambda channel, done: channel.exchange_declare(
        name, "fanout", durable=False, callback=lambda _frame: done(None)
    )


def exchange_exists(name: str) -> Act:
    """Answers None when an exchange is there; refused as missing otherwise."""
    return lambda channel, done: channel.exchange_declare(
        name, passive=True, callback=lambda _frame: done(None)
    )


def delete(name: str) -> Act:
    """Delete a queue or stream, if it exists. Answers None."""
    return lambda channel, done: channel.queue_delete(name, callback=lambda _frame: done(None))


class Control:
    """Carries out blocking calls, each alone on a channel, again after a lost connection.

    `call` is for any thread but the loop's; the rest belongs to the loop's thread.
    """

    def __init__(self, loop: Loop, link: Link) -> None:
        self._loop = loop
        self._link = link
        self._calls: deque[_Call] = deque()
        self._busy: dict[Channel, _Call | None] = {}
        self._idle: list[Channel] = []
        self._postponed: set[_Call] = set()
        self._closed = False

    def call(self, act: Act, timeout: float) -> Any:
        """Have it done and return the broker's answer.

        Raises `Unreachable` after ``timeout`` seconds or when the transport closes, `Forbidden`
        when the broker refuses the user or the request, pika's ``ChannelClosedByBroker`` when it
        refuses for another reason, and `RuntimeError` in the transport's own thread, which would
        wait for itself.
        """
        if self._loop.inside:
            raise RuntimeError("blocking calls must not be made from a callback of the transport")
        call = _Call(act)
        if not self._loop.post(lambda: self._accept(call)):
            raise Unreachable("the transport is closed")
        try:
            return call.answer.result(timeout)
        except FutureTimeout as error:
            call.answer.cancel()
            raise Unreachable(f"the broker did not answer within {timeout:g} s") from error
        except ChannelClosedByBroker as error:
            if error.reply_code == ACCESS_REFUSED:
                raise Forbidden(f"the broker refuses: {error.reply_text}") from error
            raise

    def ask(self, act: Act, on_answer: OnAnswer) -> None:
        """Have it done without waiting; ``on_answer`` gets the finished future."""
        call = _Call(act)
        call.answer.add_done_callback(on_answer)
        self._accept(call)

    def close(self) -> None:
        """Fail every open call."""
        self._closed = True
        busy = [call for call in self._busy.values() if call is not None]
        for call in [*busy, *self._calls, *self._postponed]:
            call.fail(Unreachable("the transport was closed"))
        self._calls.clear()

    def link_up(self, _wire: Wire) -> None:
        self._pump()

    def link_down(self) -> None:
        interrupted = [call for call in self._busy.values() if call is not None]
        self._calls.extendleft(reversed(interrupted))
        self._busy.clear()
        self._idle.clear()
        if self._link.refusal is not None:
            self._refuse(self._link.refusal)

    def _accept(self, call: _Call) -> None:
        if self._closed:
            call.fail(Unreachable("the transport was closed"))
            return
        self._calls.append(call)
        if self._link.refusal is not None and self._link.wire is None:
            self._refuse(self._link.refusal)
        self._pump()

    def _refuse(self, refusal: Forbidden) -> None:
        while self._calls:
            self._calls.popleft().fail(refusal)

    def _pump(self) -> None:
        wire = self._link.wire
        if wire is None or not wire.is_open:
            return
        while self._calls and self._idle:
            self._run(self._idle.pop())
        opening = sum(call is None for call in self._busy.values())
        for _ in range(min(len(self._calls) - opening, CHANNELS - len(self._busy))):
            self._open_channel(wire)

    def _open_channel(self, wire: Wire) -> None:
        channel = wire.channel(on_open_callback=self._run)
        channel.add_on_close_callback(self._on_channel_closed)
        self._busy[channel] = None

    def _run(self, channel: Channel) -> None:
        call = self._next_call()
        if call is None or not channel.is_open:
            self._rest(channel)
            return
        self._busy[channel] = call
        call.act(channel, lambda answer: self._done(channel, answer))

    def _next_call(self) -> _Call | None:
        while self._calls:
            call = self._calls.popleft()
            if not call.answer.cancelled():
                return call
        return None

    def _done(self, channel: Channel, answer: Any) -> None:
        call = self._busy.pop(channel, None)
        if call is not None:
            call.succeed(answer)
        self._run(channel)

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
        if call is not None and is_absent(reason):
            self._postpone(call)
        elif call is not None:
            call.fail(reason)
        self._pump()

    def _postpone(self, call: _Call) -> None:
        """A broker that has just started does not have all its streams yet."""

        def again() -> None:
            self._postponed.discard(call)
            self._accept(call)

        self._postponed.add(call)
        self._loop.later(ABSENT_DELAY, again)
