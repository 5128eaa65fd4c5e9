"""Figures of a process in Prometheus' text format, and a small server for them."""

from __future__ import annotations

import platform
import socket
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    GCCollector,
    PlatformCollector,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from coffeeshop import __version__

disable_created_metrics()  # type: ignore[no-untyped-call]  # a series more for each, of no use to anybody here
SLOWEST = 5.0
"""Seconds that a client may take for its request."""


@dataclass(frozen=True)
class By:
    """One figure for each value of a label."""

    label: str
    values: Mapping[str, float]


Figures = Mapping[str, Any]
"""Numbers, and numbers `By` a label, become ``coffeeshop_<name>``: counters when the name ends in
``_total``. A collector of the library's stands for what it collects. Anything else is left out."""


class _Figures(Collector):
    def __init__(self, figures: Figures) -> None:
        self._figures = figures

    def collect(self) -> Iterator[Metric]:
        for name, value in self._figures.items():
            if hasattr(value, "collect"):
                yield from value.collect()
            elif isinstance(value, By):
                yield _family(name, [value.label], value.values)
            elif isinstance(value, int | float) and not isinstance(value, bool):
                yield _family(name, [], {"": value})


def _family(name: str, labels: list[str], values: Mapping[str, float]) -> Metric:
    kind = CounterMetricFamily if name.endswith("_total") else GaugeMetricFamily
    family = kind(f"coffeeshop_{name}", HELP.get(name, name.replace("_", " ")), labels=labels)
    for label, value in values.items():
        family.add_metric([label] if labels else [], value)
    return family


def render(figures: Figures) -> tuple[bytes, str]:
    """The figures and those of the process (memory, descriptors, cpu), and their media type."""
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    GCCollector(registry=registry)
    registry.register(_Figures({**_of_any_process(), **figures}))
    return generate_latest(registry), CONTENT_TYPE_LATEST


def _of_any_process() -> dict[str, Any]:
    build = GaugeMetricFamily(
        "coffeeshop_build_info", "What runs here.", labels=["version", "python"]
    )
    build.add_metric([__version__, platform.python_version()], 1)
    found: dict[str, Any] = {"build_info": _One(build), "threads": threading.active_count()}
    limit = memory_limit()
    return found if limit is None else {**found, "memory_limit_bytes": limit}


class _One(Collector):
    def __init__(self, family: Metric) -> None:
        self._family = family

    def collect(self) -> Iterable[Metric]:
        return [self._family]


def memory_limit(root: str = "/sys/fs/cgroup") -> int | None:
    """Bytes that this process's container may have; None when nothing says so."""
    for file in ("memory.max", "memory/memory.limit_in_bytes"):
        try:
            with open(f"{root}/{file}") as text:
                said = text.read().strip()
        except OSError:
            continue
        if said.isdecimal() and int(said) < UNLIMITED:
            return int(said)
    return None


UNLIMITED = 1 << 60
"""Where the older interface means no limit, it says a number near 2^63."""
HELP = {
    "actor_messages_waiting": "Messages in the inboxes of all actors of this process.",
    "actors": "Actors of this process.",
    "batch_bytes_stored_total": "Bytes of encoded batches stored by this gateway, by table.",
    "batches_stored_total": "Batches stored by this gateway, by table.",
    "blocked": "1 while the broker has an alarm and takes no messages.",
    "broker_connected": "1 while the broker lets this process in.",
    "bytes_in_memory": "Bodies that this gateway received and the broker has not confirmed.",
    "answer_bytes_in_memory": "Results that this gateway built and their clients have not read.",
    "listeners": "Streams of events that clients hear now.",
    "event_loop_delay_seconds": "What one turn of the gateway's event loop took just now.",
    "journal_bytes": "Input of sessions that the broker keeps.",
    "longest_record_seconds": "How long the slowest task has been at its record.",
    "memory_limit_bytes": "What this process's container may use.",
    "nodes": "Processes that this gateway heard of lately.",
    "oldest_uploaded_session_seconds": "Age of the oldest session that is complete but for results",
    "ready": "1 when this process does what it is there for.",
    "reconciler_age_seconds": "Seconds since this gateway last looked after all sessions.",
    "reconciler_failures_total": "Failures while looking after sessions, by step.",
    "reconnects_total": "Connections to the broker that were opened again.",
    "record_bytes_taken_total": "Bodies that tasks took from their journals, by stage.",
    "records_taken_total": "Records that tasks took from their journals, by stage; replays count.",
    "requests_refused_total": "Requests that this gateway had no room for.",
    "restarts_total": "Actors that were restarted.",
    "result_bytes_sent_total": "Bytes of results sent by this gateway.",
    "results_sent_total": "Results sent by this gateway.",
    "rows_stored_total": "Rows stored by this gateway, by table.",
    "sessions": "Sessions that this process works on.",
    "sessions_by_state": "Sessions that are not expired, by state.",
    "sessions_ended_total": "Sessions whose end this gateway wrote, by state.",
    "sessions_unreleased": "Sessions that have ended and whose input is not deleted yet.",
    "sessions_unexpired": "Sessions whose results are due to be deleted.",
    "supervisor_answer_seconds": "What the root actor took to answer just now.",
    "tasks": "Tasks of this process.",
    "tasks_by_stage": "Tasks of this process, by stage.",
    "tasks_settled_total": "Tasks that this process has done with.",
    "unconfirmed": "Messages without an outcome.",
}


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
                    body, media_type = render({**figures(), "ready": int(ready())})
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
