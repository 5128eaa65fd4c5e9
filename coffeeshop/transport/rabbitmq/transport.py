"""Journals and queues on RabbitMQ, over AMQP 0.9.1: streams and quorum queues.

One thread makes all I/O and all callbacks. Connections: one that publishes, one for declarations,
one for every thousand readers and one for every thousand consumers. In an alarm a broker stops
reading from a connection that has published, so nothing else may travel on that one.

The broker may restart at any time: readers go on at their offset, consumers consume again,
declarations are repeated, appends wait for the next connection; what was unconfirmed is UNKNOWN.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeout
from dataclasses import dataclass
from typing import Any

from prometheus_client.registry import Collector

from coffeeshop.errors import JournalBroken, Unreachable, UsageError
from coffeeshop.observability.logs import get_logger
from coffeeshop.transport.base import (
    BrokerNode,
    Message,
    OnDelivery,
    OnGone,
    OnOutcome,
    OnQueueDelivery,
)
from coffeeshop.transport.rabbitmq.commands import (
    Command,
    attach,
    declare,
    declare_queue,
    delete,
    delete_if_idle,
    exists,
    noop,
    then,
)
from coffeeshop.transport.rabbitmq.connection import ChannelClosedByBroker, Connection, is_missing
from coffeeshop.transport.rabbitmq.consumer import RabbitConsumer
from coffeeshop.transport.rabbitmq.control import Control
from coffeeshop.transport.rabbitmq.inspection import inspect
from coffeeshop.transport.rabbitmq.isolation import Isolation
from coffeeshop.transport.rabbitmq.loop import Loop
from coffeeshop.transport.rabbitmq.publisher import (
    MOST_IN_JOURNAL,
    MOST_IN_QUEUE,
    Publisher,
    check,
)
from coffeeshop.transport.rabbitmq.reader import RabbitReader
from coffeeshop.transport.rabbitmq.readiness import BrokerReadiness
from coffeeshop.transport.rabbitmq.reconnecting import ConnectionPool, ReconnectingConnection
from coffeeshop.transport.rabbitmq.renewal import QUIET, Renewal
from coffeeshop.transport.rabbitmq.subscription import Subscription
from coffeeshop.transport.rabbitmq.url import Address, Tls
from coffeeshop.transport.rabbitmq.watch import CLUSTER_PATIENCE
from coffeeshop.transport.rabbitmq.witnesses import Witnesses

_log = get_logger()

SEGMENT = 32 << 20
SMALLEST_SEGMENT = 4 << 20
DIFFERENT = 406
INSPECTION_TIMEOUT = 5.0
DELETE_GRACE = 5.0
"""Seconds more for a deletion: after 30 the broker says itself that it cannot."""


@dataclass(frozen=True)
class Counts:
    """What the transport holds at the moment."""

    connections: int
    channels: int
    readers: int
    consumers: int
    unconfirmed: int
    """Appends and publishes without an outcome."""
    reconnects: int
    blocked: bool
    """The broker has an alarm and takes no messages."""


class RabbitTransport:
    """`transport.base.Transport` on RabbitMQ. See the module."""

    def __init__(
        self,
        url: str,
        *,
        name: str = "coffeeshop",
        tls: Tls | None = None,
        call_timeout: float = 30.0,
        confirm_timeout: float = 30.0,
        blocked_timeout: float = 300.0,
        closing_timeout: float = 3.0,
        quiet: float = QUIET,
    ) -> None:
        """Start connecting; a broker that is not there (yet) is no error here.

        ``url``: see `Address.parse`. ``name``: what the broker's operators see. Seconds:
        ``call_timeout`` for declarations and deletions, ``confirm_timeout`` after which an append
        without an answer is UNKNOWN (on a cluster sooner), ``blocked_timeout`` after which a
        connection blocked by an alarm is dropped (its appends are UNKNOWN), ``closing_timeout``
        for goodbyes, ``quiet`` without a delivery after which readers and consumers attach anew.
        """
        self._address = Address.parse(url, tls)
        if self._address.tls is not None:
            self._address.tls.context()  # complain now rather than in the thread
        self._name = name
        self._call_timeout = call_timeout
        self._closing_timeout = closing_timeout
        self._closing = False
        self._older_queues: set[str] = set()
        self._loop = Loop(f"{name}-rabbitmq")
        self._witnesses = Witnesses(self._loop, self._witness_links, self._own_links)
        self._publish_link = self._link("publish", blocked_timeout)
        self._control_link = self._link("control")
        # Apart: reading a stream while it is deleted may cost the connection on RabbitMQ 3.10.
        self._read_links = ConnectionPool(lambda n: self._link(f"read-{n}"))
        self._consume_links = ConnectionPool(lambda n: self._link(f"consume-{n}"))
        self._isolation = Isolation(lambda: self._link("isolated"))
        warmup = _stream_arguments(None)
        patience = CLUSTER_PATIENCE if self._address.cluster else None
        self._publisher = Publisher(
            self._loop, self._publish_link, warmup, confirm_timeout, patience
        )
        self._control = Control(self._loop, self._control_link)
        self._readiness = BrokerReadiness(
            self._loop, self._control, warmup, self._publish_link.open
        )
        self._control_link.listeners.add(self)
        self._loop.start()
        self._loop.post(Renewal(self._loop, self._subscriptions, quiet).start)
        self._loop.post(self._control_link.open)

    def wait_connected(self, timeout: float) -> None:
        """Wait until the broker lets us in.

        Raises `Unreachable` after ``timeout`` seconds and `Forbidden` when it refuses us.
        """
        self._control.call(noop(), timeout)

    def counts(self) -> Counts:
        """What it holds at the moment, roughly: other threads go on meanwhile."""
        links = self._links()
        connections = [link.connection for link in links if link.connection is not None]
        subscriptions = self._subscriptions()
        return Counts(
            connections=len(connections),
            channels=sum(connection.channels for connection in connections),
            readers=sum(isinstance(each, RabbitReader) for each in subscriptions),
            consumers=sum(isinstance(each, RabbitConsumer) for each in subscriptions),
            unconfirmed=self._publisher.open,
            reconnects=sum(max(0, link.openings - 1) for link in links),
            blocked=self._publisher.blocked,
        )

    def broker_nodes(self, journals: Sequence[str]) -> list[BrokerNode]:
        """Ask each host of the URL on its own; see `transport.base.HasBrokerNodes`."""
        return inspect(
            self._loop, self._address, f"{self._name}:inspect", journals, INSPECTION_TIMEOUT
        )

    def meters(self) -> dict[str, Collector]:
        """What publishing looks like, for Prometheus."""
        return self._publisher.meters.collectors()

    def declare_journal(self, name: str, max_bytes: int | None = None) -> None:
        """Make the stream unless it exists; the oldest segments go beyond ``max_bytes``.

        After a crash a broker may say that it made a stream and have none: so it is read, too.
        Raises `Unreachable` when the broker does not answer in time, `Forbidden` when it refuses,
        `JournalBroken` when it stumbles over the name.
        """
        self._wait_settled()
        self._declare(name, _stream_arguments(max_bytes), attach(name))
        if self._address.several and self._is_gone(name):
            self._leave_node(f"it made {name}, of which other nodes do not know")
            raise Unreachable(f"the broker's node that made {name} is apart from the others")

    def delete_journal(self, name: str) -> None:
        """Delete the stream if it exists. Raises as `declare_journal` does."""
        if self._address.several and not self._is_known(name):
            if self._is_gone(name):
                return
            self._leave_node(f"it denies {name}, which other nodes have")
        try:
            self._control.call(delete(name), self._call_timeout + DELETE_GRACE)
        except Unreachable as error:
            # On a cluster the broker asks each node for 30 s before it says that it cannot.
            if self._address.several and self._is_known(name):
                raise JournalBroken(f"the broker does not delete {name}: {error}") from error
            raise

    def append(self, name: str, message: Message, on_outcome: OnOutcome) -> None:
        """Append to a stream. Raises `ValueError` or `TypeError` for what cannot be encoded."""
        self._send(name, message, on_outcome, MOST_IN_JOURNAL)

    def read(
        self, name: str, offset: int, credit: int, on_delivery: OnDelivery, on_gone: OnGone
    ) -> RabbitReader:
        """Read a stream."""
        reader = RabbitReader(
            self._loop,
            self._read_links,
            self._isolation,
            name,
            offset,
            credit,
            on_delivery=on_delivery,
            on_gone=on_gone,
        )
        self._loop.post(lambda: self._start(reader))
        return reader

    def exists(self, name: str) -> bool:
        """Whether there is a stream or queue, be it broken. Raises as `declare_journal` does."""
        return self._is_known(name) or not self._is_gone(name)

    def declare_queue(self, name: str) -> None:
        """Make the quorum queue unless there is a queue. Raises as `declare_journal` does.

        A classic queue, as earlier releases made it, serves as before. It is replaced by a quorum
        queue when it has no consumer and no message. One with other arguments serves too.
        """
        if name in self._older_queues and self.exists(name):
            return
        self._older_queues.discard(name)
        try:
            self._call(declare_queue(name))
        except ChannelClosedByBroker as error:
            if error.reply_code != DIFFERENT or "'stream'" in error.reply_text:
                raise UsageError(f"the broker refuses {name}: {error.reply_text}") from error
            if "'x-queue-type'" in error.reply_text:
                self._replace_classic_queue(name)
            else:
                self._older_queues.add(name)
                _log.warning("transport.declared_otherwise", name=name, detail=error.reply_text)

    def delete_queue(self, name: str) -> None:
        """Delete the queue if it exists. Raises as `declare_journal` does."""
        self._older_queues.discard(name)
        self._call(delete(name))

    def publish(self, name: str, message: Message, on_outcome: OnOutcome) -> None:
        """Put a message into a queue. Raises as `append` does."""
        self._send(name, message, on_outcome, MOST_IN_QUEUE)

    def consume(
        self, name: str, prefetch: int, on_delivery: OnQueueDelivery, on_gone: OnGone
    ) -> RabbitConsumer:
        """Consume a queue."""
        consumer = RabbitConsumer(
            self._loop, self._consume_links, self._isolation, name, prefetch, on_delivery, on_gone
        )
        self._loop.post(lambda: self._start(consumer))
        return consumer

    def close(self) -> None:
        """Close everything; see the contract."""
        self._loop.post(self._shut)
        if not self._loop.inside:
            self._loop.join()

    def connection_up(self, connection: Connection) -> None:
        """The control link is open; not for callers."""
        self._control.connection_up(connection)
        self._readiness.connection_up()

    def connection_down(self) -> None:
        """The control link was lost; not for callers."""
        self._readiness.connection_down()
        self._control.connection_down()

    def _wait_settled(self) -> None:
        """Raises what `Control.call` does."""
        self._control.call(noop(), self._call_timeout)
        settled: Future[None] = Future()
        self._loop.post(lambda: self._readiness.when(lambda: settled.set_result(None)))
        try:
            settled.result(self._call_timeout)
        except FutureTimeout as error:
            raise Unreachable("the broker was not ready in time after its start") from error

    def _link(self, purpose: str, blocked_timeout: float | None = None) -> ReconnectingConnection:
        return ReconnectingConnection(
            self._loop,
            self._address,
            f"{self._name}:{purpose}",
            blocked_timeout,
            self._witnesses,
        )

    def _witness_links(self) -> list[ReconnectingConnection]:
        if not self._address.several or self._closing:
            return []
        name = f"{self._name}:witness"
        return [ReconnectingConnection(self._loop, host, name) for host in self._address.each()]

    def _own_links(self) -> list[ReconnectingConnection]:
        pooled = [*self._read_links.links, *self._consume_links.links]
        isolated = [] if self._isolation.link is None else [self._isolation.link]
        return [self._publish_link, self._control_link, *pooled, *isolated]

    def _subscriptions(self) -> list[Subscription]:
        found = [each for link in self._own_links() for each in tuple(link.listeners)]
        return [each for each in found if isinstance(each, Subscription)]

    def _links(self) -> list[ReconnectingConnection]:
        return [*self._own_links(), *self._witnesses.links]

    def _start(self, subscription: Subscription) -> None:
        if not self._closing:
            subscription.start()

    def _send(self, name: str, message: Message, on_outcome: OnOutcome, most: int) -> None:
        check(name, message)
        self._loop.post(lambda: self._publisher.send(name, message, on_outcome, most))

    def _call(self, command: Command) -> Any:
        return self._control.call(command, self._call_timeout)

    def _is_known(self, name: str) -> bool:
        """Whether the node behind the control link knows a stream or queue, be it broken."""
        try:
            self._call(exists(name))
        except JournalBroken:
            return True
        except ChannelClosedByBroker as error:
            if is_missing(error):
                return False
            raise
        return True

    def _is_gone(self, name: str) -> bool:
        """Whether most nodes deny a name; true where there is but one host to ask."""
        verdict: Future[bool] = Future()
        self._loop.post(lambda: self._witnesses.ask(name, verdict.set_result))
        try:
            return verdict.result(self._call_timeout)
        except FutureTimeout as error:
            raise Unreachable("the transport is closed") from error

    def _leave_node(self, why: str) -> None:
        """Have no connection to the node behind the control link."""
        self._loop.post(lambda: self._witnesses.leave(self._control_link.address, why))

    def _declare(self, name: str, arguments: dict[str, Any], trial: Command) -> None:
        try:
            self._call(then(declare(name, arguments), trial))
        except ChannelClosedByBroker as error:
            if error.reply_code != DIFFERENT or "'x-queue-type'" in error.reply_text:
                raise UsageError(f"the broker refuses {name}: {error.reply_text}") from error
            # It exists with other limits, of another release perhaps: it serves all the same.
            _log.warning("transport.declared_otherwise", name=name, detail=error.reply_text)
            self._call(trial)

    def _replace_classic_queue(self, name: str) -> None:
        try:
            self._call(then(delete_if_idle(name), declare_queue(name)))
            _log.info("transport.queue_replaced", name=name)
        except ChannelClosedByBroker as error:
            if error.reply_code != DIFFERENT:
                raise UsageError(f"the broker refuses {name}: {error.reply_text}") from error
            self._older_queues.add(name)
            _log.warning("transport.queue_is_classic", name=name, detail=error.reply_text)

    def _shut(self) -> None:
        if self._closing:
            return
        self._closing = True
        self._publisher.close()
        self._control.close()
        for subscription in self._subscriptions():
            subscription.closed = True
        self._say_goodbye()

    def _say_goodbye(self) -> None:
        open_links = set(self._links())

        def closed(link: ReconnectingConnection) -> None:
            open_links.discard(link)
            if not open_links:
                self._loop.stop()

        for link in self._links():
            link.close(_bound(closed, link))
        if self._publisher.blocked:
            self._publish_link.abort(ConnectionAbortedError("closed while blocked"))
        self._loop.later(self._closing_timeout, lambda: _abort(open_links))


def _bound(
    call: Callable[[ReconnectingConnection], None], link: ReconnectingConnection
) -> Callable[[], None]:
    return lambda: call(link)


def _abort(links: set[ReconnectingConnection]) -> None:
    for link in tuple(links):
        link.abort(TimeoutError("the broker did not confirm the close"))


def _stream_arguments(max_bytes: int | None) -> dict[str, Any]:
    arguments: dict[str, Any] = {"x-queue-type": "stream"}
    segment = SEGMENT
    if max_bytes is not None:
        # Only whole segments are ever dropped, so a stream is larger by up to one of them.
        segment = min(SEGMENT, max(SMALLEST_SEGMENT, max_bytes // 4))
        arguments["x-max-length-bytes"] = max_bytes
    return arguments | {"x-stream-max-segment-size-bytes": segment}
