"""The network between the nodes of a private cluster: it can be cut around one of them.

Each node's distribution port is behind a `Gate`, whose port is what epmd tells the other nodes. A
gate reads in the first packet of a connection which node opens it, so it can part two nodes and
let others, and RabbitMQ's tools, pass. Streams are replicated over connections of their own, which
RabbitMQ gives up with the distribution's.
"""

from __future__ import annotations

import socket
import struct
import threading
from contextlib import suppress

_RESET = struct.pack("ii", 1, 0)
_PIECE = 256 << 10
TOOLS = "rabbitmqcli"
"""How the names of RabbitMQ's command line tools begin, which pass all gates."""
_OLD_NAME, _NAME = ord("n"), ord("N")
_NAME_AT = {_OLD_NAME: 7, _NAME: 15}
"""Where the name of the opening node is in the first packet of a handshake."""


class Network:
    """Which nodes are cut off, and what they have open. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._cut: dict[str, bool] = {}
        """Short names of nodes that are cut off, and whether silently."""
        self._passages: set[_Passage] = set()

    def cut(self, name: str, *, silent: bool = False) -> None:
        """Cut a node off from all others (not from clients, nor from RabbitMQ's tools).

        ``silent``: what is sent does not arrive, and no side is told, as when a cable is drawn;
        otherwise connections are reset and refused.
        """
        with self._lock:
            self._cut[short(name)] = silent
            parted = [each for each in self._passages if short(name) in each.ends]
        for each in parted:
            each.stall() if silent else each.reset()

    def heal(self, name: str) -> None:
        """What was under way arrives now, unless its node has given the connection up."""
        with self._lock:
            self._cut.pop(short(name), None)
            healed = [p for p in self._passages if not p.ends & self._cut.keys()]
        for each in healed:
            each.go_on()

    def gate(self, name: str, port: int) -> Gate:
        """Put a gate in front of the node of that name."""
        return Gate(self, short(name), port)

    def refuses(self, ends: frozenset[str]) -> bool:
        """Whether nodes cannot connect. For gates."""
        with self._lock:
            return any(not self._cut.get(name, True) for name in ends)

    def begins(self, passage: _Passage) -> None:
        """There is a new passage, which a cut may stall or reset at once. For gates."""
        with self._lock:
            self._passages.add(passage)
            stalled = bool(passage.ends & self._cut.keys())
        if self.refuses(passage.ends):
            passage.reset()
        elif stalled:
            passage.stall()

    def ended(self, passage: _Passage) -> None:
        """A passage is no more. For passages."""
        with self._lock:
            self._passages.discard(passage)


class Gate:
    """Listens for a node and passes on what it is sent. Threads: one, and two a connection."""

    def __init__(self, network: Network, name: str, port: int) -> None:
        self._network = network
        self._name = name
        self._target = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        """Accept no more; what is open ends with the node."""
        with suppress(OSError):  # it was never connected, which some systems mind
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                opening, _ = self._listener.accept()
            except OSError:
                return  # closed
            threading.Thread(target=self._open, args=(opening,), daemon=True).start()

    def _open(self, opening: socket.socket) -> None:
        try:
            first = _packet(opening)
            source = opener(first)
            ends = frozenset(() if source.startswith(TOOLS) else (self._name, source))
            if self._network.refuses(ends):
                raise ConnectionRefusedError
            target = socket.create_connection(("127.0.0.1", self._target))
        except (OSError, EOFError):
            opening.close()
            return
        passage = _Passage(self._network, ends, opening, target)
        self._network.begins(passage)
        passage.start(first)


class _Passage:
    """A connection from one node to another."""

    def __init__(
        self,
        network: Network,
        ends: frozenset[str],
        opening: socket.socket,
        target: socket.socket,
    ) -> None:
        self.ends = ends
        self._network = network
        self._opening = opening
        self._target = target
        self._flows = threading.Event()
        self._flows.set()
        self._open = threading.Lock()

    def start(self, first: bytes) -> None:
        """Pass on what was read already, then everything, both ways."""
        ways = ((self._opening, self._target, first), (self._target, self._opening, b""))
        for way in ways:
            threading.Thread(target=self._pass_on, args=way, daemon=True).start()

    def stall(self) -> None:
        self._flows.clear()

    def go_on(self) -> None:
        self._flows.set()

    def reset(self) -> None:
        """End it as a broken network does, both ways; harmless twice."""
        if not self._open.acquire(blocking=False):
            return
        for each in (self._opening, self._target):
            with suppress(OSError):  # the other end was faster
                each.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
                each.shutdown(socket.SHUT_RD)  # wakes the thread that reads it
            each.close()
        self._flows.set()
        self._network.ended(self)

    def _pass_on(self, source: socket.socket, target: socket.socket, piece: bytes) -> None:
        with suppress(OSError):  # reset by an end, or by `reset`
            while True:
                self._flows.wait()
                target.sendall(piece)
                piece = source.recv(_PIECE)
                if not piece:
                    break
        self._flows.wait()
        self.reset()


def short(name: str) -> str:
    """A node's name as epmd knows it."""
    return name.partition("@")[0]


def opener(packet: bytes) -> str:
    """The short name of the node that sent the first packet of a handshake; empty: no node."""
    at = _NAME_AT.get(packet[2]) if len(packet) > 2 else None
    return "" if at is None else short(packet[2 + at :].decode(errors="replace"))


def _packet(source: socket.socket) -> bytes:
    """A packet of a handshake, with its length in front."""
    head = _exactly(source, 2)
    return head + _exactly(source, int.from_bytes(head))


def _exactly(source: socket.socket, size: int) -> bytes:
    found = b""
    while len(found) < size:
        piece = source.recv(size - len(found))
        if not piece:
            raise EOFError
        found += piece
    return found
