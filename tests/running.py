"""A whole system over HTTP in one process: memory transport, gateways, a node, clients."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2 as httpx

from coffeeshop.actors import NodeConfig
from coffeeshop.actors.hosted import HostedNode
from coffeeshop.client.gateway import GatewayClient
from coffeeshop.gateway.admission import Limits
from coffeeshop.gateway.security.access import Access
from coffeeshop.gateway.server import GatewayServer
from coffeeshop.names import STAGES
from coffeeshop.presence import Presence
from coffeeshop.sessions.lifecycle import Timeouts
from coffeeshop.transport import Transport
from coffeeshop.transport.memory import MemoryTransport

# A suite that runs in the background ignores SIGINT, and so would what it starts.
INTERRUPTIBLE = (
    "import signal; signal.signal(signal.SIGINT, signal.default_int_handler);"
    " from coffeeshop.cli import main; main()"
)
PATIENCE = 20.0
"""Seconds a test waits for something that must happen."""


def listeners_of(system: Running) -> int:
    """How many hear of sessions' events from any gateway."""
    return sum(server.gateway.admission.listeners for server in system.gateways)


def readers_of(transport: MemoryTransport, beginning: str) -> int:
    """How many readers the journals with names of that beginning have."""
    with transport.lock:
        return sum(
            len(journal.readers)
            for name, journal in transport.journals.items()
            if name.startswith(beginning)
        )


def stays(holds: Callable[[], Any], seconds: float, what: str) -> None:
    """Check for so long that it ``holds``: what is tried is that time does not change it."""
    moment, end = threading.Event(), time.monotonic() + seconds
    while time.monotonic() < end:
        assert holds(), f"not any more: {what}"
        moment.wait(0.1)


def eventually(holds: Callable[[], Any], what: str) -> None:
    """Wait until ``holds``; there is no event to wait for where only the outside is seen."""
    moment = threading.Event()
    for _ in range(int(PATIENCE / 0.02)):
        if holds():
            return
        moment.wait(0.02)
    raise AssertionError(f"{what} within {PATIENCE:g} s")


@dataclass
class Running:
    """One gateway (or more) and perhaps a node. Made by `running`."""

    transport: MemoryTransport
    gateways: list[GatewayServer]
    failures: list[str] = field(default_factory=list)
    clients: list[GatewayClient] = field(default_factory=list)
    scheme: str = "http"

    @property
    def url(self) -> str:
        """The first gateway's URL."""
        return self.url_of(0)

    def url_of(self, number: int) -> str:
        """A gateway's URL."""
        return f"{self.scheme}://127.0.0.1:{self.gateways[number].port}"

    def client(
        self, number: int = 0, patience: float = PATIENCE, token: str | None = None
    ) -> GatewayClient:
        """A client of its own, closed at the end."""
        made = GatewayClient(self.url_of(number), patience=patience, token=token)
        self.clients.append(made)
        return made

    def left(self) -> list[str]:
        """The objects on the broker that belong to a session."""
        return [name for name in self.transport.names() if not name.startswith("ctl.")]


@contextmanager
def running(
    *,
    gateways: int = 1,
    node: bool = True,
    limits: Limits | None = None,
    timeouts: Timeouts | None = None,
    connected: Callable[[], bool] = lambda: True,
    access: Access | None = None,
    example: Callable[[], Mapping[str, Path]] | None = None,
    wrapped: Callable[[Transport], Transport] = lambda transport: transport,
    inner: Transport | None = None,
    config: NodeConfig | None = None,
) -> Iterator[Running]:
    """Start it; stop all of it in reverse, whatever happens.

    ``inner`` is a transport in the place of a memory transport; ``wrapped`` puts a fault around it.
    """
    memory = MemoryTransport()
    transport = wrapped(memory if inner is None else inner)
    system = Running(memory, [])
    if access is not None and access.certificate is not None:
        system.scheme = "https"
    hosted = None
    if node:
        hosted = HostedNode(transport, STAGES, system.failures.append, config)
    presence = Presence(
        transport, ["worker"], hosted.status if hosted is not None else dict, period=0.2
    )
    try:
        if node:
            presence.start()
        for _ in range(gateways):
            server = GatewayServer(
                transport,
                "127.0.0.1",
                0,
                limits=limits,
                timeouts=timeouts,
                connected=connected,
                access=access,
                example=example,
            )
            system.gateways.append(server)
            server.start()
        yield system
    finally:
        for client in system.clients:
            client.close()
        for server in reversed(system.gateways):
            server.close()
        if hosted is not None:
            hosted.close(0.0)
        presence.close()
        transport.close()
        memory.close()
    assert not system.failures


def new_id() -> str:
    """A session's id."""
    return str(uuid.uuid4())


def http(system: Running, number: int = 0, token: str | None = None, **how: Any) -> httpx.Client:
    """A plain HTTP client of a gateway: what curl would see."""
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    return httpx.Client(base_url=system.url_of(number), timeout=30.0, headers=headers, **how)
