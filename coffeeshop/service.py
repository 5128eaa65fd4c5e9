"""`coffeeshop run-node`: one process with any number of node types, started and stopped in order.

Start: broker, metrics, node, gateway, sign of life. The numbered shutdown on SIGTERM:

1. the gateway is no longer ready and takes no new requests; those under way end;
2. the node takes no more assignments and gets ``drain_timeout`` seconds to finish its tasks;
3. what is not finished is handed back to the queues, for other nodes to replay;
4. goodbye on ``ctl.nodes``, then the connections close.

A second signal, or the hard deadline, ends the process at once: nothing is lost by that either.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import KW_ONLY, dataclass, field, replace
from pathlib import Path
from types import FrameType
from typing import Any

from coffeeshop.actors import NodeConfig
from coffeeshop.actors.hosted import HostedNode
from coffeeshop.errors import CoffeeshopError, Unreachable, UsageError
from coffeeshop.gateway.admission import Limits
from coffeeshop.gateway.security.access import Access
from coffeeshop.names import NODE_TYPES, STAGES
from coffeeshop.observability.logs import get_logger
from coffeeshop.observability.metrics import MetricsServer, memory_limit, thread_limit
from coffeeshop.observability.stacks import show_stacks_on
from coffeeshop.pipeline.repair import REPAIR_AFTER
from coffeeshop.presence import Presence
from coffeeshop.sessions.lifecycle import Timeouts
from coffeeshop.sessions.sessions import ASSIGNMENT_QUEUES
from coffeeshop.transport import Transport, connect, redacted
from coffeeshop.transport.memory import MemoryTransport

log = get_logger()
CONNECT_PATIENCE = 5.0
SAID_AGAIN = 12
"""Waits for the broker of which one is worth a warning."""
NO_BROKER = (
    "start RabbitMQ there (Debian: apt install rabbitmq-server), name another with --broker URL, "
    "or run everything in one process without it: coffeeshop serve"
)
IN_MEMORY = Limits(results=500, result_bytes=512 << 20)
"""Where there is no broker: how many results this process keeps, and how large."""
HARD_DEADLINE = 30.0
"""Seconds beyond ``drain_timeout`` after which a shutdown stops being graceful."""


@dataclass(frozen=True)
class NodeOptions:
    """What one process is to be."""

    types: tuple[str, ...]
    broker: str = field(repr=False)
    _: KW_ONLY
    host: str = "127.0.0.1"
    port: int = 9000
    metrics_host: str = "127.0.0.1"
    metrics_port: int | None = None
    drain_timeout: float = 10.0
    hang_timeout: float = 600.0
    repair_after: float = REPAIR_AFTER
    limits: Limits = field(default_factory=Limits)
    timeouts: Timeouts = field(default_factory=Timeouts)
    access: Access | None = None
    """Who may use the gateway; None: everybody on this machine."""
    example: Callable[[], Mapping[str, Path]] | None = None
    """Files of an example data set that the page offers."""
    currency: str = ""
    """The ISO code of the currency that the gateway shows amounts in."""


def stages_of(types: Sequence[str]) -> tuple[str, ...]:
    """The stages that node types stand for."""
    for each in types:
        if each not in NODE_TYPES:
            raise UsageError(f"no node type {each!r}; the types are {', '.join(NODE_TYPES)}")
    if "worker" in types or "all" in types:
        return STAGES
    return tuple(stage for stage in STAGES if stage in types)


def has_gateway(types: Sequence[str]) -> bool:
    """Whether the node types include the gateway."""
    return "gateway" in types or "all" in types


class RootFailed(CoffeeshopError):
    """The root actor of the node failed: a bug. The process manager starts it again."""

    exit_code = 70


class Service:
    """One process. `run` returns when a signal (or `stop`) asked for it and all is closed."""

    def __init__(self, options: NodeOptions, transport: Transport | None = None) -> None:
        self._options = options
        self._given = transport
        self._stopping = threading.Event()
        self._ready = threading.Event()
        self._failure: str | None = None
        self._asked_by: str | None = None
        self._node: HostedNode | None = None
        self.port: int | None = None
        """Where the gateway of this process listens, once it does."""

    def stop(self) -> None:
        """Ask for the numbered shutdown."""
        self._stopping.set()

    def wait_ready(self, timeout: float) -> bool:
        """Whether everything runs, within that time."""
        return self._ready.wait(timeout)

    def install_signals(self) -> None:
        """SIGTERM and SIGINT ask for a shutdown, the second of them ends the process.

        SIGHUP lets the gateway read its tokens again. SIGUSR1 writes the stacks of all threads to
        standard error, also when the main thread is stuck; a log line with the actors follows.
        """

        def asked(number: int, frame: FrameType | None) -> None:
            if self._stopping.is_set():
                os._exit(128 + number)
            # No logging here: the interrupted code may hold the log's lock.
            self._asked_by = signal.Signals(number).name
            self.stop()

        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, asked)
        if hasattr(signal, "SIGHUP"):  # not on Windows
            signal.signal(signal.SIGHUP, self._read_again)
            show_stacks_on(signal.SIGUSR1, self._say_what_runs)

    def _read_again(self, number: int, frame: FrameType | None) -> None:
        if self._options.access is not None:
            self._options.access.reread()

    def run(self, on_ready: Callable[[], None] = lambda: None) -> None:
        """Start, wait, stop. Raises `RootFailed`, or OSError when a port is taken.

        ``on_ready`` is called on this thread once everything runs.
        """
        log.debug("node.descriptors", limit=raise_descriptor_limit())
        last_resort = threading.Timer(self._options.drain_timeout + HARD_DEADLINE, os._exit, (70,))
        last_resort.daemon = True
        try:
            with ExitStack() as stack:
                self._start(stack)
                if self._ready.is_set():
                    on_ready()
                while not self._stopping.wait(0.5):
                    pass
                self._ready.clear()
                log.info("node.stopping", signal=self._asked_by)
                last_resort.start()
        finally:
            last_resort.cancel()
        log.info("node.closed")
        if self._failure is not None:
            raise RootFailed(self._failure)

    def _say_what_runs(self) -> None:
        node = self._node
        log.info(
            "node.what_runs",
            threads=sorted(thread.name for thread in threading.enumerate()),
            **({} if node is None else node.what_runs()),
        )

    def _start(self, stack: ExitStack) -> None:
        options = self._options
        transport = self._given or connect(options.broker)
        stack.callback(transport.close)
        stages = stages_of(options.types)

        def status() -> dict[str, Any]:
            return {**_process_status(), **transport_status(transport), **_node(self._node)}

        def metrics() -> dict[str, Any]:
            return {**status(), **broker_metrics(transport), **_node_metrics(self._node)}

        if options.metrics_port is not None:
            server = MetricsServer(
                options.metrics_host,
                options.metrics_port,
                metrics,
                lambda: self._is_ready(transport),
            )
            stack.callback(server.close)
        if not self._connected(transport):
            return
        presence = Presence(transport, options.types, status)
        if stages:
            config = NodeConfig(
                claims=True, hang_timeout=options.hang_timeout, repair_after=options.repair_after
            )
            self._node = node = HostedNode(transport, stages, self._root_failed, config)
            stack.callback(presence.close)
            stack.callback(node.close, options.drain_timeout)
        else:
            stack.callback(presence.close)
        if has_gateway(options.types):
            # Before any session: a replicated queue is not to be trusted in its first moments.
            for queue in ASSIGNMENT_QUEUES:
                transport.declare_queue(queue)
            self._start_gateway(stack, transport, metrics)
        presence.start()
        self._ready.set()
        log.info("node.ready", types=list(options.types), stages=list(stages))

    def _start_gateway(
        self, stack: ExitStack, transport: Transport, metrics: Callable[[], dict[str, Any]]
    ) -> None:
        from coffeeshop.gateway.server import GatewayServer  # the other types need no web server

        server = GatewayServer(
            transport,
            self._options.host,
            self._options.port,
            limits=self._limits(transport),
            timeouts=self._options.timeouts,
            connected=lambda: _is_connected(transport),
            access=self._options.access,
            process_metrics=metrics,
            example=self._options.example,
            currency=self._options.currency,
            on_failure=self._root_failed,
        )
        stack.callback(server.close)
        server.start()
        self.port = server.port

    def _limits(self, transport: Transport) -> Limits:
        """Those of the options; what is kept in this process's memory is kept within bounds."""
        limits = self._options.limits
        if not isinstance(transport, MemoryTransport):
            return limits
        return replace(
            limits,
            results=min(limits.results, IN_MEMORY.results),
            result_bytes=min(limits.result_bytes, IN_MEMORY.result_bytes),
        )

    def _is_ready(self, transport: Transport) -> bool:
        return self._ready.is_set() and _is_connected(transport)

    def _connected(self, transport: Transport) -> bool:
        """Wait for the broker, however long it takes; False when asked to stop meanwhile."""
        wait = getattr(transport, "wait_connected", None)
        waited = 0
        while wait is not None and not self._stopping.is_set():
            try:
                wait(CONNECT_PATIENCE)
            except Unreachable as error:
                # Once a minute is enough.
                say = log.debug if waited % SAID_AGAIN else log.warning
                say(
                    "node.waiting_for_broker",
                    broker=redacted(self._options.broker),
                    reason=str(error),
                    hint=NO_BROKER,
                )
                waited += 1
            else:
                break
        return not self._stopping.is_set()

    def _root_failed(self, reason: str) -> None:
        log.error("node.root_failed", reason=reason)
        self._failure = reason
        self.stop()


def _node(node: HostedNode | None) -> dict[str, Any]:
    return {} if node is None else node.status()


def _node_metrics(node: HostedNode | None) -> dict[str, Any]:
    return {} if node is None else node.metrics()


def _is_connected(transport: Transport) -> bool:
    return bool(transport_status(transport).get("connections", 1) > 0)


def broker_metrics(transport: Transport) -> dict[str, Any]:
    """What `metrics.render` takes of a transport, besides its status."""
    meters = getattr(transport, "meters", dict)
    return {"broker_connected": int(_is_connected(transport)), **meters()}


def transport_status(transport: Transport) -> dict[str, Any]:
    """What a transport to a broker holds at the moment; nothing for one in memory."""
    counts = getattr(transport, "counts", None)
    if counts is None:
        return {}
    found = counts()
    return {
        "connections": found.connections,
        "channels": found.channels,
        "readers": found.readers,
        "consumers": found.consumers,
        "unconfirmed": found.unconfirmed,
        "reconnects_total": found.reconnects,
        "blocked": int(found.blocked),
    }


def _process_status() -> dict[str, Any]:
    return {
        "threads": threading.active_count(),
        "threads_limit": thread_limit() or 0,
        "resident_bytes": resident_bytes(),
        "memory_limit_bytes": memory_limit() or 0,
    }


def raise_descriptor_limit() -> int:
    """Let this process open as many files as the system allows it; returns that number.

    Clients hold connections, and a process that has no descriptor left cannot even reconnect to
    its broker.
    """
    import resource  # not on every system

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard


def resident_bytes() -> int:
    """The process's resident memory; 0 where the system does not tell."""
    try:
        with open("/proc/self/statm") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0
