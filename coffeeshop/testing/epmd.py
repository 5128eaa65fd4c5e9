"""The daemon that tells Erlang nodes each other's ports (epmd), so that it may tell others.

Erlang nodes ask it where a node of some name listens. Telling them the port of a forwarder puts
that forwarder between the nodes. The protocol is in "Distribution Protocol" of the Erlang manual;
what RabbitMQ's nodes and tools say of it is here: register, look up, list.
"""

from __future__ import annotations

import socket
import socketserver
import struct
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol

_REGISTER, _REGISTERED = 120, 118
_LOOK_UP, _FOUND = 122, 119
_LIST = 110
_FIXED = struct.Struct(">HBBHHH")
"""Of a registration: port, type of node, protocol, highest and lowest version, length of name."""


class Forwarder(Protocol):
    """What stands in front of a node."""

    port: int

    def close(self) -> None:
        """The node is gone."""
        ...


@dataclass
class _Node:
    fixed: bytes
    """Type, protocol and versions, as the node told them and as others are told."""
    front: Forwarder


class PortMapper:
    """An epmd on loopback, in threads of this process.

    A name is known as long as the connection is open that registered it: so nodes do it.
    """

    def __init__(self, port: int, forward: Callable[[str, int], Forwarder]) -> None:
        """``forward`` puts something in front of the node of a name, which listens at a port."""
        self._forward = forward
        self._lock = threading.Lock()
        self._nodes: dict[str, _Node] = {}
        self._creation = 0
        self._registering: set[socket.socket] = set()
        mapper = self

        class Asked(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                mapper.serve(self)

        class Server(socketserver.ThreadingTCPServer):
            allow_reuse_address = True
            daemon_threads = True
            block_on_close = False

        self._server = Server(("127.0.0.1", port), Asked)
        self._port = port
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        """Answer no more, and forget all nodes."""
        self._server.shutdown()
        self._server.server_close()
        with self._lock:
            registering = tuple(self._registering)
        for each in registering:
            with suppress(OSError):  # its node was faster
                each.shutdown(socket.SHUT_RDWR)

    def serve(self, asked: socketserver.StreamRequestHandler) -> None:
        """One connection: one question."""
        head = asked.rfile.read(2)
        if len(head) < 2:
            return
        request = asked.rfile.read(int.from_bytes(head))
        if request[0] == _REGISTER:
            self._register(request[1:], asked)
        elif request[0] == _LOOK_UP:
            asked.wfile.write(self._found(request[1:].decode()))
        elif request[0] == _LIST:
            asked.wfile.write(self._port.to_bytes(4) + self._listed())

    def _register(self, request: bytes, asked: socketserver.StreamRequestHandler) -> None:
        port, *_, length = _FIXED.unpack_from(request)
        name = request[_FIXED.size : _FIXED.size + length].decode()
        with self._lock:
            taken = name in self._nodes
            if not taken:
                node = _Node(request[2 : _FIXED.size - 2], self._forward(name, port))
                self._nodes[name] = node
                self._registering.add(asked.connection)
            self._creation += 1
            creation = self._creation
        asked.wfile.write(struct.pack(">BBL", _REGISTERED, taken, creation))
        if not taken:
            asked.rfile.read()  # until the node is gone
            with self._lock:
                del self._nodes[name]
                self._registering.discard(asked.connection)
            node.front.close()

    def _found(self, name: str) -> bytes:
        with self._lock:
            node = self._nodes.get(name)
        if node is None:
            return bytes((_FOUND, 1))
        told = name.encode()
        port, size, nothing = (struct.pack(">H", n) for n in (node.front.port, len(told), 0))
        return bytes((_FOUND, 0)) + port + node.fixed + size + told + nothing

    def _listed(self) -> bytes:
        with self._lock:
            known = sorted((name, node.front.port) for name, node in self._nodes.items())
        return "".join(f"name {name} at port {port}\n" for name, port in known).encode()
