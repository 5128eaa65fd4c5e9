"""Confirmed, mandatory, pipelined publishing on one channel of a connection of its own."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any

from coffeeshop.errors import JournalBroken
from coffeeshop.observability.logs import get_logger
from coffeeshop.transport.base import Message, OnOutcome, Outcome
from coffeeshop.transport.rabbitmq.absence import Absence
from coffeeshop.transport.rabbitmq.commands import exists
from coffeeshop.transport.rabbitmq.connection import (
    Channel,
    Connection,
    is_denied,
    is_missing,
    largest_message,
    properties,
)
from coffeeshop.transport.rabbitmq.control import Control
from coffeeshop.transport.rabbitmq.loop import Loop, guarded
from coffeeshop.transport.rabbitmq.meters import Meters
from coffeeshop.transport.rabbitmq.order import ConfirmOrder, Sent
from coffeeshop.transport.rabbitmq.readiness import BrokerReadiness
from coffeeshop.transport.rabbitmq.reconnecting import ReconnectingConnection
from coffeeshop.transport.rabbitmq.watch import ConfirmWatch

_log = get_logger()

LONGEST_NAME = 255
MOST_HEADER_BYTES = 64 << 10
MOST_KNOWN = 10_000
MOST_IN_JOURNAL = 200
MOST_IN_QUEUE = 30
"""Messages sent to one name and unconfirmed. With 256 to a stream or 33 to a quorum queue a broker
lets the whole connection wait, and before RabbitMQ 3.12 for ever when the name is deleted then."""
_INTEGERS = range(-(2**63), 2**63)


@dataclass(eq=False)
class _Post:
    """A message on its way, and what became of it."""

    queue: str
    message: Message
    on_outcome: OnOutcome
    most: int
    """So many may be unconfirmed with the same name."""
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
    """Sends what it is given, in order for each queue, and says how each message ended.

    Belongs to the loop's thread. While the connection is down, or blocked by an alarm of the
    broker, messages wait; their senders bound their number.

    A broker that has just started returns messages for streams it will have a moment later, as if
    they did not exist. So the first message for a name on a connection waits until the broker says
    that there is such a queue, and a returned one is believed only after asking. What is confirmed
    before an earlier message for the same name waits for that one: see `order`.
    """

    def __init__(
        self,
        loop: Loop,
        link: ReconnectingConnection,
        warmup_arguments: dict[str, Any],
        confirm_timeout: float,
        confirm_patience: float | None = None,
        window_bytes: int = 32 << 20,
    ) -> None:
        """``warmup_arguments``: see `BrokerReadiness`; the other two: see `ConfirmWatch`.
        At most ``window_bytes`` (and always one message) are sent and unconfirmed."""
        self.blocked = False
        self.meters = Meters()
        self._link = link
        self._asking = Control(loop, link, is_blocked=lambda: self.blocked)
        self._readiness = BrokerReadiness(loop, self._asking, warmup_arguments)
        self._watch = ConfirmWatch(loop, confirm_timeout, confirm_patience)
        self._window_bytes = window_bytes
        self._waiting: deque[_Post] = deque()
        self._full: dict[str, deque[_Post]] = {}
        """By names that have as many unconfirmed messages as they may: what comes next."""
        self._held: dict[str, list[_Post]] = {}
        self._returned: dict[str, list[_Post]] = {}
        self._unconfirmed: dict[int, Sent[_Post]] = {}
        self._order: ConfirmOrder[_Post] = ConfirmOrder()
        self._known: dict[str, None] = {}
        self._absences: dict[str, Absence] = {}
        self._in_flight = 0
        self._last_tag = 0
        self._channel: Channel | None = None
        self._largest: int | None = None
        """Bytes of a message, once the broker refused a larger one."""
        self._closed = False
        link.listeners.add(self)

    @property
    def open(self) -> int:
        """How many messages have no outcome yet."""
        aside = (self._held, self._returned, self._full)
        apart = sum(len(posts) for by_name in aside for posts in tuple(by_name.values()))
        return len(self._waiting) + len(self._order) + apart

    def send(self, queue: str, message: Message, on_outcome: OnOutcome, most: int) -> None:
        """Publish to a queue or stream by its name; ``most`` may be unconfirmed there."""
        post = _Post(queue, message, self.meters.counting(on_outcome), most)
        if self._closed:
            post.end(Outcome.UNKNOWN)
            return
        if self._is_too_large(post):
            post.end(Outcome.TOO_LARGE)
            return
        self._waiting.append(post)
        self._link.open()
        self._pump()

    def close(self) -> None:
        """End whatever is open in UNKNOWN."""
        self._closed = True
        self._forget_channel()
        waiting, self._waiting = self._waiting, deque()
        _end(waiting, Outcome.UNKNOWN)
        self._asking.close()

    def connection_up(self, connection: Connection) -> None:
        self._largest = None  # a broker that was restarted may take more
        connection.add_on_connection_blocked_callback(self._on_blocked)
        connection.add_on_connection_unblocked_callback(self._on_unblocked)
        self._watch.start(connection, self._owed_since, self._overtaken_since)
        self._asking.connection_up(connection)
        self._readiness.connection_up()
        self._open_channel(connection)

    def connection_down(self) -> None:
        self.blocked = False
        self._absences.clear()
        self._readiness.connection_down()
        self._asking.connection_down()
        self._forget_channel()

    def _open_channel(self, connection: Connection) -> None:
        channel = connection.channel(on_open_callback=self._on_channel_open)
        channel.add_on_return_callback(self._on_return)
        channel.add_on_close_callback(self._on_channel_closed)

    def _on_channel_open(self, channel: Channel) -> None:
        channel.confirm_delivery(
            self._on_confirm, callback=lambda _frame: self._confirming(channel)
        )

    def _confirming(self, channel: Channel) -> None:
        self._readiness.when(lambda: self._ready(channel))

    def _ready(self, channel: Channel) -> None:
        if not channel.is_open:
            return  # of an earlier connection
        self._last_tag = 0
        self._channel = channel
        self._pump()

    def _on_channel_closed(self, channel: Channel, reason: BaseException) -> None:
        """The broker objects to something: a new channel, unless the connection went with it."""
        connection = self._link.connection
        if connection is not None and connection is channel.connection and connection.is_open:
            _log.error("transport.publishing_refused", link=self._link.name, detail=str(reason))
            self._largest = largest_message(reason) or self._largest
            self._forget_channel(Outcome.FORBIDDEN if is_denied(reason) else Outcome.UNKNOWN)
            self._open_channel(connection)

    def _is_too_large(self, post: _Post) -> bool:
        return self._largest is not None and len(post.message.body) > self._largest

    def _forget_channel(self, fate: Outcome = Outcome.UNKNOWN) -> None:
        """What was sent has this fate, the rest waits. What was returned was not stored, though
        the broker can no longer be asked whether there is such a queue."""
        self._channel = None
        self._in_flight = 0
        self._known.clear()
        held, self._held = self._held, {}
        full, self._full = self._full, {}
        returned, self._returned = self._returned, {}
        self._unconfirmed.clear()
        lost = self._order.forget()
        for posts in (*held.values(), *full.values()):
            self._waiting.extendleft(reversed(posts))
        for posts in returned.values():
            _end(posts, Outcome.UNKNOWN)
        for post in lost:
            post.end(Outcome.TOO_LARGE if self._is_too_large(post) else fate)

    def _pump(self) -> None:
        channel = self._channel
        if channel is None or not channel.is_open or self.blocked:
            return
        if not self._waiting and not self._full:
            return
        with channel.connection.corked():
            now = time.monotonic()
            for queue in tuple(self._full):
                self._go_on(channel, queue, now)
            while self._waiting and self._has_window():
                post = self._waiting.popleft()
                if self._is_too_large(post):
                    post.end(Outcome.TOO_LARGE)
                elif post.queue not in self._known:
                    self._hold(post)
                elif post.queue in self._full or not self._has_room(post):
                    self._full.setdefault(post.queue, deque()).append(post)
                else:
                    self._publish(channel, post, now)

    def _has_window(self) -> bool:
        return self._in_flight < self._window_bytes or not self._unconfirmed

    def _has_room(self, post: _Post) -> bool:
        return self._order.open(post.queue) < post.most

    def _go_on(self, channel: Channel, queue: str, now: float) -> None:
        """With a name that was full."""
        posts = self._full[queue]
        while posts and self._has_window() and self._has_room(posts[0]):
            self._publish(channel, posts.popleft(), now)
        if not posts:
            del self._full[queue]

    def _publish(self, channel: Channel, post: _Post, now: float) -> None:
        self._last_tag += 1
        post.sent = now
        self._unconfirmed[self._last_tag] = self._order.send(post.queue, post)
        self._in_flight += len(post.message.body)
        self.meters.sent(len(post.message.body))
        channel.basic_publish(
            exchange="",
            routing_key=post.queue,
            body=post.message.body,
            properties=properties(dict(post.message.headers), str(self._last_tag)),
            mandatory=True,
        )

    def _hold(self, post: _Post) -> None:
        held = self._held.get(post.queue)
        if held is None:
            self._ask(post.queue, [post])
        else:
            held.append(post)

    def _ask(self, queue: str, held: list[_Post]) -> None:
        """Whether there is such a queue; messages for it are held until the answer."""
        held = [*self._full.pop(queue, ()), *held]
        self._held[queue] = held
        self._known.pop(queue, None)
        self._asking.ask(exists(queue), lambda answer: self._answered(queue, held, answer))

    def _answered(self, queue: str, asked_for: list[_Post], answer: Future[None]) -> None:
        if self._held.get(queue) is not asked_for:
            return  # of an earlier connection
        error = answer.exception()
        if error is not None and is_missing(error):
            self._link.denied(queue, lambda: self._settle(queue, asked_for, error))
        else:
            self._settle(queue, asked_for, error)

    def _settle(self, queue: str, asked_for: list[_Post], error: BaseException | None) -> None:
        if self._held.get(queue) is not asked_for:
            return
        held, returned = self._held.pop(queue), self._returned.pop(queue, [])
        if error is None:
            self._know(queue)
            self._waiting.extendleft(reversed(held))
            _end(returned, Outcome.UNKNOWN)
        elif is_missing(error) or self._is_lost(queue, error):
            self._absences.pop(queue, None)
            _end([*returned, *held], Outcome.RETURNED)
        else:
            _log.error("transport.publishing_refused", queue=queue, detail=str(error))
            denied = is_denied(error)
            _end([*returned, *held], Outcome.FORBIDDEN if denied else Outcome.UNKNOWN)
        self._pump()

    def _is_lost(self, queue: str, error: BaseException) -> bool:
        if not isinstance(error, JournalBroken):
            return False
        return self._absences.setdefault(queue, Absence(queue)).is_final()

    def _know(self, queue: str) -> None:
        self._known[queue] = None
        self._absences.pop(queue, None)
        if len(self._known) > MOST_KNOWN:
            del self._known[next(iter(self._known))]

    def _on_return(self, _channel: Channel, _method: Any, returned: Any, _body: bytes) -> None:
        """Comes before the confirmation of the same message."""
        sent = self._unconfirmed.get(int(returned.message_id))
        if sent is not None:
            sent.post.returned = True

    def _on_confirm(self, confirm: Any) -> None:
        method = confirm.method
        nacked, now = method.NAME == "Basic.Nack", time.monotonic()
        for sent in self._settled(method.delivery_tag, method.multiple):
            post = sent.post
            self._in_flight -= len(post.message.body)
            self.meters.confirmed(now - post.sent)
            if post.returned:
                self._verify(post)
            elif nacked:
                post.end(Outcome.NACKED)
            otherwise = post.returned or nacked
            settle = self._order.drop if otherwise else self._order.confirm
            _end(settle(sent, now), Outcome.CONFIRMED)
        self._pump()

    def _settled(self, tag: int, multiple: bool) -> list[Sent[_Post]]:
        if not multiple:
            sent = self._unconfirmed.pop(tag, None)
            return [] if sent is None else [sent]
        settled = []
        # Tags rise in the dictionary's order.
        while self._unconfirmed and (oldest := next(iter(self._unconfirmed))) <= tag:
            settled.append(self._unconfirmed.pop(oldest))
        return settled

    def _verify(self, post: _Post) -> None:
        self._returned.setdefault(post.queue, []).append(post)
        if post.queue not in self._held:
            self._ask(post.queue, [])

    def _on_blocked(self, _connection: Connection, frame: Any) -> None:
        self.blocked = True
        _log.warning("transport.blocked", link=self._link.name, reason=frame.method.reason)

    def _on_unblocked(self, _connection: Connection, _frame: Any) -> None:
        self.blocked = False
        self._watch.restart()
        _log.info("transport.unblocked", link=self._link.name)
        self._pump()

    def _owed_since(self) -> float | None:
        """When the message was sent that waits longest for an answer; None when none can be had."""
        sent = next(iter(self._unconfirmed.values()), None)
        return None if sent is None or self.blocked else sent.post.sent

    def _overtaken_since(self) -> float | None:
        """Since when a message has waited for its confirmation that later ones already have."""
        return None if self.blocked else self._order.overtaken_since()


def _end(posts: Iterable[_Post], outcome: Outcome) -> None:
    for post in posts:
        post.end(outcome)
