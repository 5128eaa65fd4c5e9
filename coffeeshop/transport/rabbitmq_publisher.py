"""Confirmed, mandatory, pipelined publishing on one channel of a connection of its own."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import structlog

from coffeeshop.transport.base import Message, OnOutcome, Outcome
from coffeeshop.transport.rabbitmq_link import Link
from coffeeshop.transport.rabbitmq_loop import Loop, guarded
from coffeeshop.transport.rabbitmq_wire import Channel, Wire, properties

_log = structlog.get_logger()

LONGEST_NAME = 255
MOST_HEADER_BYTES = 64 << 10
_INTEGERS = range(-(2**63), 2**63)


@dataclass
class _Post:
    """A message on its way, and what became of it."""

    queue: str
    message: Message
    on_outcome: OnOutcome
    sent: float = 0.0
    returned: bool = False

    def end(self, outcome: Outcome) -> None:
        guarded(self.on_outcome, outcome)


def check(queue: str, message: Message) -> None:
    """Refuse, in the caller's thread, what could not be encoded in the transport's.

    Raises `ValueError` or `TypeError`: a bug of the caller.
    """
    size = 0
    for name, value in message.headers.items():
        if not isinstance(value, str | int):
            raise TypeError(f"header {name!r} is neither text nor a whole number")
        if isinstance(value, int) and value not in _INTEGERS:
            raise ValueError(f"header {name!r} does not fit into 64 bits")
        if not name or len(name.encode()) > LONGEST_NAME:
            raise ValueError("a header's name must have 1 to 255 bytes")
        size += len(name) + (len(value) if isinstance(value, str) else 8)
    if size > MOST_HEADER_BYTES:
        raise ValueError("the headers of a message must not exceed 64 KiB")
    if not queue or len(queue.encode()) > LONGEST_NAME:
        raise ValueError("the name of a journal or queue must have 1 to 255 bytes")


class Publisher:
    """Sends what it is given, in order, and says how each message ended.

    Belongs to the loop's thread. While the connection is down, or blocked by an alarm of the
    broker, messages wait; their senders bound their number.
    """

    def __init__(
        self, loop: Loop, link: Link, *, window_bytes: int = 32 << 20, confirm_timeout: float = 60.0
    ) -> None:
        """At most ``window_bytes`` (and always one message) are unconfirmed on the wire.

        ``confirm_timeout``: seconds after which a message without an answer is held to be lost with
        its connection.
        """
        self.blocked = False
        self.unconfirmed: dict[int, _Post] = {}
        self.waiting: deque[_Post] = deque()
        self._loop = loop
        self._link = link
        self._window_bytes = window_bytes
        self._confirm_timeout = confirm_timeout
        self._in_flight = 0
        self._last_tag = 0
        self._unblocked = 0.0
        self._channel: Channel | None = None
        self._closed = False
        link.tenants.add(self)

    def send(self, queue: str, message: Message, on_outcome: OnOutcome) -> None:
        """Publish to a queue or stream by its name."""
        post = _Post(queue, message, on_outcome)
        if self._closed:
            post.end(Outcome.UNKNOWN)
            return
        self.waiting.append(post)
        self._link.open()
        self._pump()

    def close(self) -> None:
        """End whatever is open in UNKNOWN."""
        self._closed = True
        self._forget_channel()
        waiting, self.waiting = self.waiting, deque()
        for post in waiting:
            post.end(Outcome.UNKNOWN)

    def link_up(self, wire: Wire) -> None:
        wire.add_on_connection_blocked_callback(self._on_blocked)
        wire.add_on_connection_unblocked_callback(self._on_unblocked)
        self._watch(wire)
        self._open_channel(wire)

    def link_down(self) -> None:
        self.blocked = False
        self._forget_channel()

    def _open_channel(self, wire: Wire) -> None:
        channel = wire.channel(on_open_callback=self._on_channel_open)
        channel.add_on_return_callback(self._on_return)
        channel.add_on_close_callback(self._on_channel_closed)

    def _on_channel_open(self, channel: Channel) -> None:
        channel.confirm_delivery(self._on_confirm, callback=lambda _frame: self._ready(channel))

    def _ready(self, channel: Channel) -> None:
        self._last_tag = 0
        self._channel = channel
        self._pump()

    def _on_channel_closed(self, channel: Channel, reason: BaseException) -> None:
        """The broker objects to something: a new channel, unless the connection went with it."""
        wire = self._link.wire
        self._forget_channel()
        if wire is not None and wire is channel.connection and wire.is_open:
            _log.error("transport.publishing_refused", link=self._link.name, detail=str(reason))
            self._open_channel(wire)

    def _forget_channel(self) -> None:
        self._channel = None
        self._in_flight = 0
        lost, self.unconfirmed = self.unconfirmed, {}
        for post in lost.values():
            post.end(Outcome.UNKNOWN)

    def _pump(self) -> None:
        channel = self._channel
        if not self.waiting or channel is None or not channel.is_open or self.blocked:
            return
        with channel.connection.corked():
            now = time.monotonic()
            while self.waiting and (self._in_flight < self._window_bytes or not self.unconfirmed):
                self._publish(channel, self.waiting.popleft(), now)

    def _publish(self, channel: Channel, post: _Post, now: float) -> None:
        self._last_tag += 1
        post.sent = now
        self.unconfirmed[self._last_tag] = post
        self._in_flight += len(post.message.body)
        channel.basic_publish(
            exchange="",
            routing_key=post.queue,
            body=post.message.body,
            properties=properties(dict(post.message.headers), str(self._last_tag)),
            mandatory=True,
        )

    def _on_return(self, _channel: Channel, _method: Any, returned: Any, _body: bytes) -> None:
        """Comes before the confirmation of the same message."""
        post = self.unconfirmed.get(int(returned.message_id))
        if post is not None:
            post.returned = True

    def _on_confirm(self, confirm: Any) -> None:
        method = confirm.method
        nacked = method.NAME == "Basic.Nack"
        for post in list(self._settled(method.delivery_tag, method.multiple)):
            self._in_flight -= len(post.message.body)
            if nacked:
                post.end(Outcome.NACKED)
            else:
                post.end(Outcome.RETURNED if post.returned else Outcome.CONFIRMED)
        self._pump()

    def _settled(self, tag: int, multiple: bool) -> Iterator[_Post]:
        if not multiple:
            post = self.unconfirmed.pop(tag, None)
            if post is not None:
                yield post
            return
        # Tags rise in the dictionary's order.
        while self.unconfirmed and (oldest := next(iter(self.unconfirmed))) <= tag:
            yield self.unconfirmed.pop(oldest)

    def _on_blocked(self, _wire: Wire, frame: Any) -> None:
        self.blocked = True
        _log.warning("transport.blocked", link=self._link.name, reason=frame.method.reason)

    def _on_unblocked(self, _wire: Wire, _frame: Any) -> None:
        self.blocked = False
        self._unblocked = time.monotonic()
        _log.info("transport.unblocked", link=self._link.name)
        self._pump()

    def _watch(self, wire: Wire) -> None:
        """A confirmation that never comes must not hold its sender for ever."""
        if wire is not self._link.wire:
            return
        if not self.blocked and self._oldest() < time.monotonic() - self._confirm_timeout:
            wire.abort(TimeoutError(f"no confirmation within {self._confirm_timeout:g} s"))
            return
        self._loop.later(self._confirm_timeout / 10, lambda: self._watch(wire))

    def _oldest(self) -> float:
        """Since when the broker owes an answer."""
        post = next(iter(self.unconfirmed.values()), None)
        return time.monotonic() if post is None else max(post.sent, self._unblocked)
