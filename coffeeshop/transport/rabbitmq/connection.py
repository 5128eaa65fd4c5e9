"""One AMQP connection: the only module that imports pika.

`Connection` is pika's connection with two hot paths changed. As released, pika receives 4 KiB at a
time and copies what it holds at every read and for every frame, and it makes a system call per
frame. Here reads are large, frames are cut out of one buffer, and small frames leave together.
"""

from __future__ import annotations

import logging
import re
import socket
import struct
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pika
from pika import frame, spec
from pika.adapters.select_connection import IOLoop, SelectConnection
from pika.channel import Channel
from pika.exceptions import (
    AMQPError,
    AuthenticationError,
    ChannelClosedByBroker,
    ConnectionClosedByBroker,
    NoFreeChannels,
    ProbableAccessDeniedError,
    ProbableAuthenticationError,
)
from pika.heartbeat import HeartbeatChecker

from coffeeshop.transport.rabbitmq.url import Address

__all__ = [
    "AMQPError",
    "Channel",
    "ChannelClosedByBroker",
    "Connection",
    "IOLoop",
    "ImpatientHeartbeat",
    "NoFreeChannels",
    "broker_version",
    "is_absent",
    "is_absent_here",
    "is_breakdown",
    "is_denied",
    "is_missing",
    "is_refusal",
    "largest_message",
    "properties",
]

ACCESS_REFUSED = 403
NOT_FOUND = 404
PRECONDITION_FAILED = 406
INTERNAL_ERROR = 541
_NO_COPY = (PRECONDITION_FAILED, "replica on the local node")
_ABSENCES = ((NOT_FOUND, "inaccessible"), _NO_COPY)
_TOO_LARGE = re.compile(r"larger than configured max size (\d+)")
_RECEIVE = 256 << 10
_CONSUME = 1 << 20
_JOINED = 64 << 10
FRAME_MAX = 1 << 20
"""Bytes of a frame that we ask for: most batches fit into one then. The broker may want less."""
_FRAME_OVERHEAD = spec.FRAME_HEADER_SIZE + spec.FRAME_END_SIZE
_PERSISTENT = 2
_USER_TIMEOUT: int | None = getattr(socket, "TCP_USER_TIMEOUT", None)  # not on every system
SILENT_HOST = 10.0
"""Seconds until a host that acknowledges no bytes any more is given up. There are some at least
twice per heartbeat, so that with 20 s a host that is lost without a word is noticed within 20 s."""

HANDSHAKE, CLUSTER_HANDSHAKE = 10, 5
"""Seconds until a host that says nothing to a new connection is given up: on a cluster another may
answer."""
_LOOKS = 4
"""How often within twice a heartbeat one looks whether anything was heard."""

# The link reports every loss with fields; pika repeats it in prose with stack traces.
logging.getLogger("pika").setLevel(logging.CRITICAL)


class ImpatientHeartbeat(HeartbeatChecker):  # type: ignore[misc]  # pika has no types
    """Ends a connection after a silence of twice the heartbeat and at most half a one more.

    pika looks each heartbeat and five seconds: from one to two of those may pass.
    """

    def __init__(self, connection: Connection, heartbeat: int) -> None:
        super().__init__(connection, heartbeat)
        self.stop()
        self._check_interval = 2 * heartbeat / _LOOKS
        self._start_send_timer()
        self._start_check_timer()

    @property
    def connection_is_idle(self) -> bool:
        """Whether nothing was heard for so long."""
        return bool(self._idle_byte_intervals >= _LOOKS)


class Connection(SelectConnection):  # type: ignore[misc]  # pika has no types
    """One connection, opened at once. All methods belong to the loop's thread.

    Ends in exactly one call of ``on_lost``, whether it never opened, was lost or was closed.
    """

    def __init__(
        self,
        address: Address,
        loop: IOLoop,
        name: str,
        on_open: Callable[[Connection], None],
        on_lost: Callable[[Connection, BaseException], None],
        blocked_timeout: float | None = None,
    ) -> None:
        """``name`` is what the broker's operators see; ``blocked_timeout`` in seconds."""
        self._pieces: list[bytes] = []
        """What was received of a frame that is not there yet."""
        self._held = 0
        self._wanted = 0
        self._corked: list[bytes] | None = None
        self._cluster = address.cluster
        super().__init__(
            _parameters(address, name, blocked_timeout),
            on_open_callback=on_open,
            on_open_error_callback=on_lost,
            on_close_callback=on_lost,
            custom_ioloop=loop,
        )
        self.add_on_connection_blocked_callback(lambda *_: self._give_up_silence(0))
        self.add_on_connection_unblocked_callback(lambda *_: self._give_up_silence(SILENT_HOST))

    @property
    def most_channels(self) -> int:
        """How many channels the broker allows on this connection."""
        return int(self.params.channel_max)

    @property
    def frame_max(self) -> int:
        """The largest frame that both sides agreed on, in bytes."""
        return int(self.params.frame_max)

    @property
    def channels(self) -> int:
        """How many channels there are now."""
        return len(self._channels)

    def abort(self, reason: Exception) -> None:
        """Drop the connection without another word to the broker."""
        if not self.is_closed:
            self._terminate_stream(reason)

    @contextmanager
    def corked(self) -> Iterator[None]:
        """Hold frames back while inside; then they leave in few large writes."""
        self._corked = []
        try:
            yield
        finally:
            frames, self._corked = self._corked, None
            self._output_marshaled_frames(frames)

    def _proto_connection_made(self, transport: Any) -> None:
        transport._MAX_RECV_BYTES = _RECEIVE
        transport._MAX_CONSUME_BYTES = _CONSUME
        self._socket = transport._sock
        super()._proto_connection_made(transport)

    def _create_heartbeat_checker(self) -> Any:
        if not self._cluster or not self.params.heartbeat:
            return super()._create_heartbeat_checker()
        return ImpatientHeartbeat(self, self.params.heartbeat)

    def _give_up_silence(self, seconds: float) -> None:
        """A broker in an alarm reads nothing: the bytes it leaves in the socket are no bad sign."""
        if _USER_TIMEOUT is not None:
            self._socket.setsockopt(socket.IPPROTO_TCP, _USER_TIMEOUT, _milliseconds(seconds))

    def _on_connection_workflow_done(self, conn_or_exc: Any) -> None:
        # Closed during the handshake, pika reports the class of its exception and then trips on it.
        aborted = isinstance(conn_or_exc, type)
        super()._on_connection_workflow_done(conn_or_exc() if aborted else conn_or_exc)

    def _output_marshaled_frames(self, marshaled_frames: Sequence[bytes]) -> None:
        if self._corked is not None:
            self._corked.extend(marshaled_frames)
        else:
            super()._output_marshaled_frames(list(_joined(marshaled_frames)))

    def _on_data_available(self, data_in: bytes) -> None:
        if not self.is_open:  # the handshake, with its frames of another kind
            super()._on_data_available(data_in)
            return
        self._pieces.append(data_in)
        self._held += len(data_in)
        if self._held < self._wanted:
            return  # one copy of a frame when it is whole, not one with each piece of it
        buffer = self._pieces[0] if len(self._pieces) == 1 else b"".join(self._pieces)
        self._pieces.clear()
        position = 0
        while end := _frame_end(buffer, position):
            value = _frame_at(buffer, position, end)
            position = end
            self._process_frame(value)
        self.bytes_received += position
        self._held = len(buffer) - position
        if self._held:
            self._pieces.append(buffer[position:])
        self._wanted = _frame_size(buffer, position)


def _frame_size(buffer: bytes, position: int) -> int:
    """The bytes of the frame at ``position``, or of its header as long as that is not there."""
    if len(buffer) - position < spec.FRAME_HEADER_SIZE:
        return int(spec.FRAME_HEADER_SIZE)
    (size,) = struct.unpack_from(">L", buffer, position + 3)
    whole: int = size + _FRAME_OVERHEAD
    return whole


def _frame_end(buffer: bytes, position: int) -> int:
    """Where the frame at ``position`` ends; 0 unless all of it is there."""
    end: int = position + _frame_size(buffer, position)
    if len(buffer) - position < _FRAME_OVERHEAD or end > len(buffer):
        return 0
    return end


def _frame_at(buffer: bytes, position: int, end: int) -> Any:
    """pika's value for the frame there."""
    if buffer[position] == spec.FRAME_BODY and buffer[end - 1] == spec.FRAME_END:
        # pika would cut the frame out, and then its body out of that.
        (channel,) = struct.unpack_from(">H", buffer, position + 1)
        return frame.Body(channel, buffer[position + spec.FRAME_HEADER_SIZE : end - 1])
    return frame.decode_frame(buffer[position:end])[1]


def _joined(frames: Sequence[bytes]) -> Iterator[bytes]:
    """The same bytes in fewer pieces; large frames stay as they are."""
    small: list[bytes] = []
    size = 0
    for one in frames:
        if size + len(one) > _JOINED and small:
            yield b"".join(small)
            small, size = [], 0
        small.append(one)
        size += len(one)
    if small:
        yield b"".join(small)


class _Parameters(pika.ConnectionParameters):  # type: ignore[misc]  # pika has no types
    """pika takes 128 KiB for the largest frame there is: it is the broker's default only."""

    @property
    def frame_max(self) -> int:
        """The largest frame, in bytes; before the broker's answer, what we ask for."""
        return int(self._frame_max)

    @frame_max.setter
    def frame_max(self, value: int) -> None:
        self._frame_max = value


def _parameters(
    address: Address, name: str, blocked_timeout: float | None
) -> pika.ConnectionParameters:
    tls = address.tls
    ssl_options = tls and pika.SSLOptions(tls.context(), tls.server_name or address.host)
    return _Parameters(
        host=address.host,
        port=address.port,
        virtual_host=address.virtual_host,
        credentials=pika.PlainCredentials(address.user, address.password),
        frame_max=FRAME_MAX,
        heartbeat=address.heartbeat,
        blocked_connection_timeout=blocked_timeout,
        ssl_options=ssl_options,
        client_properties={"connection_name": name, "product": "coffeeshop"},
        socket_timeout=5,
        stack_timeout=CLUSTER_HANDSHAKE if address.cluster else HANDSHAKE,
        tcp_options=_USER_TIMEOUT and {"TCP_USER_TIMEOUT": _milliseconds(SILENT_HOST)},
    )


def _milliseconds(seconds: float) -> int:
    return int(seconds * 1000)


def properties(headers: dict[str, Any], message_id: str) -> pika.BasicProperties:
    """The properties of a durable message."""
    return pika.BasicProperties(headers=headers, message_id=message_id, delivery_mode=_PERSISTENT)


def broker_version(channel: Channel) -> tuple[int, int]:
    """Major and minor release of the broker; 0, 0 for one that does not say it in numbers."""
    said = re.match(r"(\d+)\.(\d+)", str(channel.connection.server_properties.get("version", "")))
    return (int(said[1]), int(said[2])) if said else (0, 0)


def is_missing(error: BaseException) -> bool:
    """Whether the broker closed a channel because the queue or stream does not exist."""
    return _is_not_found(error) and not is_absent(error)


def is_absent(error: BaseException) -> bool:
    """Whether the broker knows the queue or stream but does not have it at the moment.

    So it answers for streams in the first second after its start: to most requests with the code of
    a missing one, to a reader that there is no replica of it.
    """
    return any(_says(error, *each) for each in _ABSENCES)


def is_absent_here(error: BaseException) -> bool:
    """Whether the node has no copy of a stream of which others may have one."""
    return _says(error, *_NO_COPY)


def is_denied(error: BaseException) -> bool:
    """Whether the broker closed a channel because the user has no permission."""
    return isinstance(error, ChannelClosedByBroker) and error.reply_code == ACCESS_REFUSED


def largest_message(error: BaseException) -> int | None:
    """The bytes that a message may have, where the broker closed a channel over a larger one."""
    found = _TOO_LARGE.search(str(error)) if isinstance(error, ChannelClosedByBroker) else None
    return int(found[1]) if found else None


def _says(error: BaseException, code: int, words: str) -> bool:
    return (
        isinstance(error, ChannelClosedByBroker)
        and error.reply_code == code
        and words in error.reply_text
    )


def _is_not_found(error: BaseException) -> bool:
    return isinstance(error, ChannelClosedByBroker) and error.reply_code == NOT_FOUND


def is_breakdown(error: BaseException | None) -> bool:
    """Whether the broker closed the connection over a request that it stumbled over."""
    return isinstance(error, ConnectionClosedByBroker) and error.reply_code == INTERNAL_ERROR


def is_refusal(error: BaseException) -> bool:
    """Whether the broker refused the user or the virtual host, rather than broke down.

    pika guesses a refusal from any loss during the handshake; the broker's own words decide. A
    full virtual host also says NOT_ALLOWED, but not for ever.
    """
    if isinstance(error, AuthenticationError) and not isinstance(
        error, ProbableAuthenticationError
    ):
        return True
    if not isinstance(error, ProbableAuthenticationError | ProbableAccessDeniedError):
        return False
    words = str(error)
    return ("(403)" in words or "(530)" in words) and "limit" not in words
