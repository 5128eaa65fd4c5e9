"""Metrics of a process in Prometheus' text format, and a small server for them."""

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
class Labelled:
    """One figure for each value of a label."""

    label: str
    values: Mapping[str, float]


Metrics = Mapping[str, Any]
"""Numbers, and `Labelled` ones, become ``coffeeshop_<name>``: counters when the name ends in
``_total``. A collector of the library's stands for what it collects. Anything else is left out."""


class _Metrics(Collector):
    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def collect(self) -> Iterator[Metric]:
        for name, value in self._metrics.items():
            if hasattr(value, "collect"):
                yield from value.collect()
            elif isinstance(value, Labelled):
                yield _family(name, [value.label], value.values)
            elif isinstance(value, int | float) and not isinstance(value, bool):
                yield _family(name, [], {"": value})


def _family(name: str, labels: list[str], values: Mapping[str, float]) -> Metric:
    kind = CounterMetricFamily if name.endswith("_total") else GaugeMetricFamily
    family = kind(f"coffeeshop_{name}", HELP.get(name, name.replace("_", " ")), labels=labels)
    for label, value in values.items():
        family.add_metric([label] if labels else [], value)
    return family


def render(metrics: Metrics) -> tuple[bytes, str]:
    """The metrics and those of the process (memory, descriptors, cpu), and their media type."""
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    GCCollector(registry=registry)
    registry.register(_Metrics({**_of_any_process(), **metrics}))
    return generate_latest(registry), CONTENT_TYPE_LATEST


def _of_any_process() -> dict[str, Any]:
    build = GaugeMetricFamily(
        "coffeeshop_build_info",
        "Version of coffeeshop and of Python.",
        labels=["version", "python"],
    )
    build.add_metric([__version__, platform.python_version()], 1)
    found: dict[str, Any] = {"build_info": _One(build), "threads": threading.active_count()}
    limits = {"memory_limit_bytes": memory_limit(), "threads_limit": thread_limit()}
    return {**found, **{name: limit for name, limit in limits.items() if limit is not None}}


class _One(Collector):
    def __init__(self, family: Metric) -> None:
        self._family = family

    def collect(self) -> Iterable[Metric]:
        return [self._family]


def memory_limit(root: str = "/sys/fs/cgroup") -> int | None:
    """Bytes that this process's container may have; None when nothing says so."""
    return _limit(root, "memory.max", "memory/memory.limit_in_bytes")


def thread_limit(root: str = "/sys/fs/cgroup") -> int | None:
    """Threads and processes that this process's container may have; None when nothing says so."""
    return _limit(root, "pids.max", "pids/pids.max")


def _limit(root: str, *files: str) -> int | None:
    for file in files:
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
    "actor_threads": "Threads that run actors.",
    "actors_waiting_for_threads": "Actors that have messages and no thread yet.",
    "batch_bytes_stored_total": "Bytes of encoded batches stored by this gateway, by table.",
    "batches_stored_total": "Batches stored by this gateway, by table.",
    "blocked": "1 while the broker has an alarm and accepts no messages.",
    "broker_connected": "1 while this process is connected to the broker.",
    "broker_files": "File descriptors of the broker that all sessions take, estimated.",
    "broker_files_limit": "File descriptors that the broker may have, as far as is known.",
    "bytes_in_memory": "Bytes of batches received and not yet confirmed by the broker.",
    "answer_bytes_in_memory": "Bytes of results built and not yet read by their clients.",
    "listeners": "Open event streams.",
    "event_loop_delay_seconds": "Seconds that one turn of the gateway's event loop took.",
    "journal_bytes": "Bytes of sessions' input on the broker.",
    "longest_record_seconds": "Seconds that the slowest task has worked on its current record.",
    "memory_limit_bytes": "Memory limit of this process's container.",
    "nodes": "Nodes whose heartbeat this gateway received recently.",
    "oldest_uploaded_session_seconds": "Age of the oldest uploaded session without results.",
    "ready": "1 when this process is ready.",
    "reconciler_age_seconds": "Seconds since this gateway last checked all sessions.",
    "reconciler_failures_total": "Failures while checking sessions, by step.",
    "reconnects_total": "Reconnections to the broker.",
    "record_bytes_taken_total": "Bytes of batches that tasks read, by stage.",
    "records_taken_total": "Records that tasks read, by stage, replays included.",
    "repair_requests_total": "Requests of tasks for records that they miss, by stage.",
    "repairs_total": "What this gateway did about records that tasks miss, by kind.",
    "requests_refused_total": "Requests refused by this gateway because a limit was reached.",
    "restarts_total": "Actors that were restarted.",
    "result_bytes": "Results of ended sessions that the broker keeps.",
    "result_bytes_sent_total": "Bytes of results sent by this gateway.",
    "results_sent_total": "Results sent by this gateway.",
    "rows_stored_total": "Rows stored by this gateway, by table.",
    "sessions": "Sessions that this process works on.",
    "sessions_by_state": "Sessions by state, without expired ones.",
    "sessions_ended_total": "Sessions that this gateway ended, by state.",
    "sessions_unreleased": "Ended sessions whose input is not deleted yet.",
    "sessions_unexpired": "Sessions whose results are due to be deleted.",
    "supervisor_answer_seconds": "Seconds that the root actor took to answer.",
    "tasks": "Tasks of this process.",
    "threads_limit": "Threads that this process's container may have.",
    "threads_refused_total": "Threads that the system refused to start.",
    "tasks_by_stage": "Tasks of this process, by stage.",
    "tasks_settled_total": "Tasks that this process finished or handed back.",
    "unconfirmed": "Messages sent and not yet confirmed.",
}


class MetricsServer:
    """``/metrics``, ``/healthz`` and ``/readyz`` of a process without a gateway, on a thread."""

    def __init__(
        self, host: str, port: int, metrics: Callable[[], Metrics], ready: Callable[[], bool]
    ) -> None:
        """Listens at once; ``port`` 0 picks a free one. Raises OSError when it cannot."""

        def answer(environment: dict[str, Any], start: Callable[..., Any]) -> list[bytes]:
            status, media_type, body = "200 OK", "text/plain", b"ok\n"
            match environment.get("PATH_INFO"):
                case "/metrics":
                    body, media_type = render({**metrics(), "ready": int(ready())})
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
