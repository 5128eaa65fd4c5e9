"""A proxy in front of a broker that knows AMQP's frames and cuts connections at a chosen one.

It listens on loopback and passes on whole frames. A `Cut` says at which publish, confirm, delivery
or ack (counted over all connections since the cut was planned) the connection that carries it is
reset, and whether the broker (or the client) still gets to see it.
"""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Literal

Passage = Literal["publish", "confirm", "delivery", "ack"]
PASSAGES: tuple[Passage, ...] = ("publish", "confirm", "delivery", "ack")
METHOD, HEADER, BODY = 1, 2, 3
FRAME = struct.Struct(">BHL")
GREETING = 8
BASIC = 60
# By direction and basic method: 80 and 90/120 both settle a message, yes or no.
FROM_CLIENT: dict[int, Passage] = {40: "publish", 80: "ack", 90: "ack", 120: "ack"}
FROM_BROKER: dict[int, Passage] = {60: "delivery", 80: "confirm", 120: "confirm"}
RESET = struct.pack("ii", 1, 0)


@dataclass(frozen=True)
class Cut:
    """Reset the connection before or after the n-th passage of a kind is passed on."""

    what: Passage
    after: bool
    number: int


@dataclass(frozen=True)
class _Frame:
    kind: int
    channel: int
    payload: bytes
    raw: bytes

    def passage(self, names: dict[int, Passage]) -> Passage | None:
        """What it begins, if it begins something that is counted."""
        if self.kind != METHOD:
            return None
        of, method = struct.unpack_from(">HH", self.payload)
        return names.get(method) if of == BASIC else None

    @property
    def content(self) -> int:
        """The bytes of content that a header frame announces."""
        return int(struct.unpack_from(">Q", self.payload, 4)[0])


class AmqpProxy:
    """Threads of its own: one that accepts, two a connection. As a context manager it closes."""

    def __init__(self, broker_port: int) -> None:
        self.cuts = 0
        """Connections that were reset so far."""
        self._broker_port = broker_port
        self._lock = threading.Lock()
        self._cut_done = threading.Event()
        self._planned: Cut | None = None
        self._left = 0
        self._connections: set[_Connection] = set()
        self._listener: socket.socket | None = None
        self.port = 0
        self.admit()

    @property
    def url(self) -> str:
        """The broker's URL by way of the proxy."""
        return f"amqp://guest:guest@127.0.0.1:{self.port}/"

    def plan(self, cut: Cut) -> None:
        """The next cut, in place of any that did not come to pass."""
        with self._lock:
            self._planned, self._left = cut, cut.number
            self._cut_done.clear()

    def wait_cut(self, timeout: float) -> bool:
        """Whether the planned cut came to pass within that time."""
        return self._cut_done.wait(timeout)

    def refuse(self) -> None:
        """Reset all connections and accept no others: connecting is refused."""
        with self._lock:
            listener, self._listener = self._listener, None
            open_now = tuple(self._connections)
        if listener is not None:
            listener.shutdown(socket.SHUT_RDWR)
            listener.close()
        for each in open_now:
            each.reset()

    def admit(self) -> None:
        """Accept connections (again), on the same port."""
        listener = socket.create_server(("127.0.0.1", self.port))
        self.port = listener.getsockname()[1]
        with self._lock:
            self._listener = listener
        threading.Thread(target=self._accept, args=(listener,), daemon=True).start()

    def passing(self, passage: Passage | None) -> Cut | None:
        """Count a passage; the cut, if it is due now. Called by connections."""
        with self._lock:
            cut = self._planned
            if cut is None or passage != cut.what:
                return None
            self._left -= 1
            if self._left > 0:
                return None
            self._planned = None
            self.cuts += 1
            return cut

    def was_cut(self, cut: Cut) -> None:
        """The cut came to pass. Called by connections."""
        self._cut_done.set()

    def ended(self, connection: _Connection) -> None:
        """A connection is no more. Called by connections."""
        with self._lock:
            self._connections.discard(connection)

    def close(self) -> None:
        """Refuse for good."""
        self.refuse()

    def __enter__(self) -> AmqpProxy:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return  # closed by `refuse`
            connection = _Connection(self, client)
            with self._lock:
                admitted = self._listener is listener
                self._connections.add(connection)
            if admitted:
                connection.start(self._broker_port)
            else:
                connection.reset()


class _Connection:
    def __init__(self, proxy: AmqpProxy, client: socket.socket) -> None:
        self._proxy = proxy
        self._client = client
        self._broker: socket.socket | None = None
        self._lock = threading.Lock()
        self._open = True

    def start(self, broker_port: int) -> None:
        """Connect to the broker and pass frames on, both ways."""
        try:
            broker = socket.create_connection(("127.0.0.1", broker_port))
        except OSError:
            self.reset()
            return
        with self._lock:
            self._broker = broker
        ways = (
            (self._client, broker, FROM_CLIENT, True),
            (broker, self._client, FROM_BROKER, False),
        )
        for way in ways:
            threading.Thread(target=self._pass_on, args=way, daemon=True).start()

    def reset(self) -> None:
        """End it as a broken network does, both ways."""
        with self._lock:
            if not self._open:
                return
            self._open = False
            sockets = [each for each in (self._client, self._broker) if each is not None]
        for each in sockets:
            each.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            with suppress(OSError):  # the other end was faster
                each.shutdown(socket.SHUT_RD)  # wakes the thread that reads it
            each.close()
        self._proxy.ended(self)

    def _pass_on(
        self,
        source: socket.socket,
        target: socket.socket,
        names: dict[int, Passage],
        greets: bool,
    ) -> None:
        try:
            if greets:
                target.sendall(_exactly(source, GREETING))
            self._frames(source, target, names)
        except (OSError, EOFError):
            self.reset()

    def _frames(
        self, source: socket.socket, target: socket.socket, names: dict[int, Passage]
    ) -> None:
        pending: Cut | None = None
        channel = missing = 0
        for frame in _frames_of(source):
            if pending is None:
                pending = self._proxy.passing(frame.passage(names))
                channel, missing = frame.channel, _announced(pending)
                if pending is not None and not pending.after:
                    return self._cut(pending)
            elif frame.channel == channel and frame.kind == HEADER:
                missing = frame.content
            elif frame.channel == channel and frame.kind == BODY:
                missing -= len(frame.payload)
            target.sendall(frame.raw)
            if pending is not None and missing == 0:
                return self._cut(pending)

    def _cut(self, cut: Cut) -> None:
        self.reset()
        self._proxy.was_cut(cut)


def _announced(cut: Cut | None) -> int:
    """Not 0 while the content of a cut passage is still to come."""
    return -1 if cut is not None and cut.what in ("publish", "delivery") else 0


def _frames_of(source: socket.socket) -> Iterator[_Frame]:
    while True:
        head = _exactly(source, FRAME.size)
        kind, channel, size = FRAME.unpack(head)
        rest = _exactly(source, size + 1)
        yield _Frame(kind, channel, rest[:-1], head + rest)


def _exactly(source: socket.socket, size: int) -> bytes:
    found = bytearray()
    while len(found) < size:
        piece = source.recv(min(size - len(found), 1 << 20))
        if not piece:
            raise EOFError
        found += piece
    return bytes(found)
