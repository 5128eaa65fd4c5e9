"""Ports for servers that must know theirs before they start."""

from __future__ import annotations

import secrets
import socket
from contextlib import ExitStack

FIRST, END = 15_000, 32_000
"""Below those that Linux gives to connections: one of these could take a port that is free now,
before its server listens. Two test runs at once rarely choose the same."""


def free_ports(count: int) -> list[int]:
    """So many ports of loopback at which no process listens."""
    ports: list[int] = []
    with ExitStack() as stack:
        while len(ports) < count:
            port = FIRST + secrets.randbelow(END - FIRST)
            try:
                stack.enter_context(socket.create_server(("127.0.0.1", port)))
            except OSError:
                continue
            ports.append(port)
    return ports
