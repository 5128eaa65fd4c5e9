"""The gateway as a running server: the application, its sessions, and uvicorn on a thread."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable, Mapping
from pathlib import Path

import uvicorn

from coffeeshop.actors.keeper_supervisor import HostedKeepers
from coffeeshop.errors import UsageError
from coffeeshop.gateway.admission import Limits
from coffeeshop.gateway.app import create_app
from coffeeshop.gateway.dependencies import Gateway
from coffeeshop.gateway.protocol import BoundedProtocol
from coffeeshop.gateway.security.access import Access
from coffeeshop.observability.logs import get_logger
from coffeeshop.observability.metrics import Metrics
from coffeeshop.presence import NodeDirectory
from coffeeshop.sessions.lifecycle import Timeouts
from coffeeshop.sessions.retention import Retention
from coffeeshop.sessions.sessions import Sessions
from coffeeshop.transport import Transport

log = get_logger()
BACKLOG = 512
REQUESTS_END = 5
"""Seconds that requests under way get at a shutdown."""


class GatewayServer:
    """Bound when constructed, so that a taken port is an error at once; serves from `start`."""

    def __init__(  # noqa: PLR0913 - what it is made of, all by name
        self,
        transport: Transport,
        host: str,
        port: int,
        *,
        limits: Limits | None = None,
        timeouts: Timeouts | None = None,
        connected: Callable[[], bool] = lambda: True,
        access: Access | None = None,
        process_metrics: Callable[[], Metrics] = dict,
        example: Callable[[], Mapping[str, Path]] | None = None,
        currency: str = "",
        on_failure: Callable[[str], None] = lambda reason: None,
    ) -> None:
        """``port`` 0 picks a free one; ``connected``: whether the broker answers;
        ``process_metrics``: figures of the rest of the process;
        ``example``: the files of a data set that the page offers to who has none;
        ``currency``: the ISO code that amounts are shown with;
        ``on_failure`` is called when the keepers' root fails: the process is to be replaced.

        Raises OSError when the address is not to be had, and `UsageError` for one that is open
        to the network without tokens, or for an invalid certificate.
        """
        access = access or Access()
        access.check_host(host)
        tls = _tls(access)
        self._socket = _listening(host, port)
        self.port: int = self._socket.getsockname()[1]
        limits = limits or Limits()
        retention = Retention(limits.results, limits.client_results, limits.result_bytes)
        self.sessions = Sessions(transport, timeouts)
        self.keepers = HostedKeepers(self.sessions, retention, on_failure)
        self.nodes = NodeDirectory(transport)
        self.gateway = Gateway(
            transport,
            self.sessions,
            self.keepers,
            self.nodes,
            limits=limits,
            connected=connected,
            process_metrics=process_metrics,
            example=example,
            currency=currency,
        )
        self.gateway.token_version = access.version
        self._server = uvicorn.Server(
            uvicorn.Config(
                create_app(self.gateway, access),
                http=BoundedProtocol,
                ws="none",
                log_config=None,
                access_log=False,
                lifespan="off",
                timeout_graceful_shutdown=REQUESTS_END,
                server_header=False,
                ssl_context_factory=None if tls is None else lambda config, default: tls,
            )
        )
        self._thread = threading.Thread(target=self._serve, name="gateway", daemon=True)

    def start(self) -> None:
        """Learn of the sessions there are, then serve."""
        self.sessions.start()
        self.keepers.start()
        self.nodes.start()
        self._thread.start()
        log.info("gateway.listening", address=self._socket.getsockname()[0], port=self.port)

    def close(self) -> None:
        """Take no more requests, let those under way end, let go of the sessions."""
        self.gateway.stopping = True
        self._server.should_exit = True
        if self._thread.is_alive():
            self._thread.join(REQUESTS_END)
            self.sessions.log.give_up()  # those that wait for a broker that is away
            self._thread.join()
        self._socket.close()
        self.nodes.close()
        self.gateway.previews.close()
        self.sessions.log.give_up()
        self.keepers.close()
        self.sessions.close()

    def _serve(self) -> None:
        self._server.run(sockets=[self._socket])


def _tls(access: Access) -> ssl.SSLContext | None:
    if access.certificate is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_cert_chain(access.certificate, access.key, password="")  # never asks
    except (OSError, ValueError) as error:
        raise UsageError(f"cannot load the TLS certificate and key: {error}") from error
    return context


def _listening(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # With its protocol named: asyncio lets no answer wait for the last one's receipt only then.
    bound = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind((host, port))
        bound.listen(BACKLOG)
    except OSError:
        bound.close()
        raise
    return bound
