"""Figures of a process in Prometheus' text format, and a small server for them."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    GCCollector,
    PlatformCollector,
    ProcessCollector,
    generate_latest,
)
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

SLOWEST = 5.0
"""Seconds that a client may take for its request."""
Figures = Mapping[str, Any]
"""Flat. Numbers become ``coffeeshop_<name>``: counters when the name ends in ``_total``."""


class _Figures(Collector):
    def __init__(self, figures: Figures) -> None:
        self._figures = figures

    def collect(self) -> Iterator[Metric]:
        for name, value in self._figures.items():
            if isinstance(value, bool) or not isinstance(value, int | float):
                continue
            full, words = f"coffeeshop_{name}", name.replace("_", " ")
            if name.endswith("_total"):
                yield CounterMetricFamily(full, words, value=value)
            else:
                yield GaugeMetricFamily(full, words, value=value)


def render(figures: Figures) -> tuple[bytes, str]:
    """The figures and those of the process (memory, descriptors, cpu), and their media type."""
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    GCCollector(registry=registry)
    registry.register(_Figures({**figures, "threads": threading.active_count()}))
    return generate_latest(registry), CONTENT_TYPE_LATEST


class MetricsServer:
    """``/metrics``, ``/healthz`` and ``/readyz`` of a process without a gateway, on a thread."""

    def __init__(
        self, host: str, port: int, figures: Callable[[], Figures], ready: Callable[[], bool]
    ) -> None:
        """Listens at once; ``port`` 0 picks a free one. Raises OSError when it cannot."""

        def answer(environment: dict[str, Any], start: Callable[..., Any]) -> list[bytes]:
            status, media_type, body = "200 OK", "text/plain", b"ok\n"
            match environment.get("PATH_INFO"):
                case "/metrics":
                    body, media_type = render(figures())
                case "/healthz":
                    pass
                case "/readyz":
                    if not ready():
                        status, body = "503 Service Unavailable", b"the broker does not answer\n"
                case _:
                    status, body = "404 Not Found", b"there is /metrics, /healthz, /readyz\n"
            start(status, [("Content-Type", media_type), ("Content-Length", str(len(body)))])
            return [body]

        server = _Server6 if ":" in host else _Server
        self._server = make_server(host, port, answer, server_class=server, handler_class=_Quiet)
        self.port: int = self._server.server_address[1]
        self._thread = threading.Thread(
            target=self._server.serve_forever, name="metrics", daemon=True
        )
        self._thread.start()

    def close(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Server(ThreadingMixIn, WSGIServer):
    """A thread for each request: a client that says nothing must not silence ``/healthz``."""

    daemon_threads = True


class _Server6(_Server):
    address_family = socket.AF_INET6


class _Quiet(WSGIRequestHandler):
    timeout = SLOWEST

    def log_message(self, format: str, *args: Any) -> None:
        """Scrapes are no events."""
