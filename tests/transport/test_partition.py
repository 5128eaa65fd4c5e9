"""The network between nodes that can be cut, without the nodes: packets of their handshake."""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from coffeeshop.testing.epmd import PortMapper
from coffeeshop.testing.partition import Network
from coffeeshop.testing.ports import free_ports

PATIENCE = 10.0


def hello(name: str) -> bytes:
    """The first packet of a handshake: which node opens the connection."""
    told = name.encode()
    body = struct.pack(">BQLH", ord("N"), 0, 1, len(told)) + told
    return struct.pack(">H", len(body)) + body


class Nodes:
    """Two nodes that listen, a port mapper that knows them, and the network between them."""

    def __init__(self, stack: ExitStack) -> None:
        self.network = Network()
        (self.port,) = free_ports(1)
        mapper = PortMapper(self.port, self.network.gate)
        stack.callback(mapper.close)
        self._stack = stack
        self._listening = {name: self._listen(name) for name in ("a", "b")}

    def asked(self, request: bytes) -> socket.socket:
        """A connection to the port mapper on which a request was sent."""
        connection = self._connected(self.port)
        connection.sendall(struct.pack(">H", len(request)) + request)
        return connection

    def port_of(self, name: str) -> int:
        """Where others are told that a node listens; 0 if it is not known."""
        with self.asked(b"z" + name.encode()) as connection:
            answer = connection.recv(1000)
        assert answer[0] == ord("w")
        return 0 if answer[1] else int(struct.unpack_from(">H", answer, 2)[0])

    def connect(self, opening: str, to: str) -> tuple[socket.socket, socket.socket]:
        """A node opens a connection to another: both ends, the second after its first packet."""
        near = self._connected(self.port_of(to))
        near.sendall(hello(f"{opening}@localhost"))
        far, _ = self._listening[to].accept()
        self._stack.enter_context(far)
        far.settimeout(PATIENCE)
        first = far.recv(1000)
        assert first == hello(f"{opening}@localhost")
        return near, far

    def knock(self, opening: str, to: str) -> socket.socket:
        """Like `connect`, where it may come to nothing."""
        near = self._connected(self.port_of(to))
        near.sendall(hello(f"{opening}@localhost"))
        return near

    def _connected(self, port: int) -> socket.socket:
        return self._stack.enter_context(
            socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)
        )

    def _listen(self, name: str) -> socket.socket:
        listener = self._stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        listener.settimeout(PATIENCE)
        port = listener.getsockname()[1]
        told = struct.pack(">BHBBHHH", 120, port, 77, 0, 6, 5, 1) + name.encode() + b"\0\0"
        assert self.asked(told).recv(1000)[:2] == bytes((118, 0))
        return listener


@pytest.fixture
def nodes() -> Iterator[Nodes]:
    """Closed after the test."""
    with ExitStack() as stack:
        yield Nodes(stack)


def ended(connection: socket.socket) -> bool:
    """Whether the other end gives the connection up."""
    try:
        return connection.recv(1) == b""
    except ConnectionResetError:
        return True


def test_nodes_reach_each_other_through_gates(nodes: Nodes) -> None:
    near, far = nodes.connect("a", "b")
    far.sendall(b"yes")
    assert near.recv(10) == b"yes"
    near.sendall(b"thanks")
    assert far.recv(10) == b"thanks"


def test_a_node_that_is_cut_off_loses_its_connections_and_gets_no_others(nodes: Nodes) -> None:
    near, far = nodes.connect("a", "b")
    nodes.network.cut("a@localhost")
    assert ended(near)
    assert ended(far)
    assert ended(nodes.knock("a", "b"))
    assert ended(nodes.knock("b", "a"))
    nodes.network.heal("a@localhost")
    near, far = nodes.connect("a", "b")
    far.sendall(b"again")
    assert near.recv(10) == b"again"


def test_a_silent_cut_holds_everything_back_until_it_heals(nodes: Nodes) -> None:
    near, far = nodes.connect("a", "b")
    nodes.network.cut("b", silent=True)
    far.sendall(b"late")
    knocking = nodes.knock("a", "b")
    for quiet in (near, knocking):
        quiet.settimeout(0.2)
        with pytest.raises(TimeoutError):
            quiet.recv(10)
        quiet.settimeout(PATIENCE)
    nodes.network.heal("b")
    assert near.recv(10) == b"late"


def test_tools_reach_a_node_that_is_cut_off(nodes: Nodes) -> None:
    nodes.network.cut("a")
    near, far = nodes.connect("rabbitmqcli-1", "a")
    far.sendall(b"status")
    assert near.recv(10) == b"status"


def test_the_port_mapper_knows_a_node_until_its_connection_ends(nodes: Nodes) -> None:
    told = struct.pack(">BHBBHHH", 120, 1234, 77, 0, 6, 5, 1) + b"c\0\0"
    registered = nodes.asked(told)
    assert registered.recv(1000)[:2] == bytes((118, 0))
    assert nodes.port_of("c") not in (0, 1234)
    assert nodes.asked(told).recv(1000)[1], "the name is taken"
    with nodes.asked(b"n") as listing:
        text = b"".join(iter(lambda: listing.recv(1000), b""))
    assert b"name c at port" in text
    registered.close()
    while nodes.port_of("c"):  # the mapper's next step; the test's time limit ends this
        pass


def test_who_says_nothing_or_something_else_is_let_go(nodes: Nodes) -> None:
    silent = nodes.asked(b"z" + b"nobody")
    assert silent.recv(100)[1] == 1
    stranger = nodes._connected(nodes.port_of("a"))
    stranger.sendall(b"\0")
    stranger.shutdown(socket.SHUT_WR)
    assert ended(stranger)
