"""One session, one trace: its tree, also after crashes; and the records that it must not change."""

from __future__ import annotations

import threading
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from coffeeshop.actors import NodeConfig
from coffeeshop.client.gateway import GatewayClient
from coffeeshop.client.remote import analyse
from coffeeshop.client.upload import upload
from coffeeshop.formats import to_csv
from coffeeshop.generate import generate
from coffeeshop.local import LocalSystem
from coffeeshop.observability import tracing
from coffeeshop.pipeline.messages import Assignment, Record, SessionSpec, assign_queue, out_journal
from coffeeshop.pipeline.plan import plan_named
from coffeeshop.pipeline.task import Output, TaskCore
from coffeeshop.reading.folder import open_folder
from coffeeshop.schema import TABLES
from coffeeshop.sessions.ingest import Ingest
from coffeeshop.sessions.steps import open_session, release_session
from coffeeshop.testing.broker import PrivateBroker
from coffeeshop.testing.clock import VirtualClock
from coffeeshop.testing.processes import Cluster
from coffeeshop.transport.memory import MemoryTransport
from coffeeshop.transport.outbox import Outbox
from tests.oracle import answers
from tests.running import eventually, http, new_id, running
from tests.tracing import Seen, below, check_tree, traced

TASKS = 6
"""Of the fused plan with two partitions."""


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data") / "north"
    generate(folder, transactions=2000, seed=4)
    return folder


def check_session(spans: list[Seen], session: str) -> Seen:
    """One tree with all that a session is made of."""
    root = check_tree(spans)
    assert root.name == "submit"
    assert root.attributes["coffeeshop.session"] == session
    names = below(spans, root)
    assert names["upload"] == len(TABLES)
    assert names["session opened"] == 1
    assert names["result built"] >= TASKS
    assert names["task attempt"] >= TASKS
    for table in (span for span in spans if span.name == "upload"):
        assert below(spans, table)["batch stored"] >= 1
    tasks = {
        (s.attributes["coffeeshop.stage"], s.attributes["coffeeshop.partition"])
        for s in spans
        if s.name == "result built"
    }
    assert len(tasks) == TASKS
    return root


def test_a_session_by_a_gateway_is_one_tree(data: Path) -> None:
    spec = SessionSpec(new_id())
    with traced() as memory:
        with running() as system:
            analyse(system.client(), open_folder(data), spec)
        root = check_session(memory.spans(), spec.id)
        assert below(memory.spans(), root)["results fetched"] == 1
    assert not any(span.error for span in memory.spans())


def test_a_session_in_one_process_is_one_tree(data: Path) -> None:
    with traced() as memory, LocalSystem() as system:
        system.analyse(open_folder(data))
    (root,) = memory.named("submit")
    check_session(memory.spans(), str(root.attributes["coffeeshop.session"]))


def test_sessions_at_once_are_trees_of_their_own(data: Path) -> None:
    with traced() as memory, LocalSystem() as system:
        threads = [
            threading.Thread(target=system.analyse, args=(open_folder(data),)) for _ in range(3)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    traces = {span.trace for span in memory.spans()}
    assert len(traces) == 3
    for trace in traces:
        spans = [span for span in memory.spans() if span.trace == trace]
        sessions = {
            s.attributes["coffeeshop.session"]
            for s in spans
            if s.name != "upload" and "coffeeshop.session" in s.attributes
        }
        assert len(sessions) == 1
        check_session(spans, str(sessions.pop()))


def test_a_replay_after_a_crash_is_an_attempt_more_in_a_whole_tree(
    monkeypatch: pytest.MonkeyPatch, data: Path
) -> None:
    feed, crashed = TaskCore.feed, threading.Event()

    def crashing(core: TaskCore, record: Record) -> list[Output]:
        if core.task.stage == "filters" and record.kind == "eof" and not crashed.is_set():
            crashed.set()
            raise ArithmeticError("on purpose")
        return feed(core, record)

    monkeypatch.setattr(TaskCore, "feed", crashing)
    with traced() as memory, LocalSystem(config=NodeConfig(claims=True)) as system:
        _, completed = system.analyse(open_folder(data))
    texts = {f"{name}.csv": to_csv(table).decode() for name, table in completed.tables.items()}
    assert texts == answers(data)
    (root,) = memory.named("submit")
    check_session(memory.spans(), str(root.attributes["coffeeshop.session"]))
    attempts = memory.named("task attempt")
    assert len(attempts) == TASKS + 1
    (failed,) = [span for span in attempts if span.error]
    assert failed.error.startswith("failed at eof ")
    again = [s.attributes["coffeeshop.restarts"] for s in attempts if not s.error]
    assert sorted(again) == [0] * (TASKS - 1) + [1]  # type: ignore[type-var]


def test_a_client_that_does_not_trace_has_its_opening_as_the_root(data: Path) -> None:
    session = new_id()
    with traced() as memory, running() as system, http(system) as api:
        assert api.post("/v1/sessions", json={"id": session}).status_code == 201
        for table in TABLES:
            path = f"/v1/sessions/{session}/tables/{table}/eof"
            assert api.put(path, json={"batches": 0}).status_code == 204
        eventually(lambda: api.get(f"/v1/sessions/{session}").json()["state"] == "completed", "end")
        eventually(lambda: len(memory.named("task attempt")) == TASKS, "all attempts end")
    root = check_tree(memory.spans())
    assert root.name == "session opened"
    assert below(memory.spans(), root) == {"task attempt": TASKS, "result built": TASKS}


@pytest.mark.parametrize("said", ["nonsense", "00-" + "f" * 32, "\u00ff", "a" * 5000])
def test_a_header_that_makes_no_sense_harms_nothing(said: str) -> None:
    with traced(), running(node=False) as system, http(system) as api:
        headers = {"traceparent": said.encode("latin-1")}
        assert api.post("/v1/sessions", json={}, headers=headers).status_code == 201


def stored(transport: MemoryTransport, session: str) -> dict[str, list[tuple[Any, bytes]]]:
    """What a session's journals hold."""
    with transport.lock:
        return {
            name.replace(session, "ID"): [
                (dict(journal.message(n).headers), journal.message(n).body)
                for n in range(len(journal.entries))
            ]
            for name, journal in transport.journals.items()
            if session in name
        }


def fed(data: Path, is_traced: bool) -> tuple[dict[str, Any], list[bytes]]:
    """The journals and assignments of a session that nobody works on yet."""
    transport, spec = MemoryTransport(), SessionSpec(new_id())
    outbox = Outbox(transport, VirtualClock())
    try:
        with tracing.span("submit", {"session": spec.id}, root=True):
            open_session(outbox, spec)
            upload(open_folder(data), Ingest(outbox, spec))
        queues = {assign_queue(task.stage) for task in plan_named(spec.plan).tasks(spec)}
        messages = [m for name in queues for m in transport.queues.waiting(name)]
        assert len(messages) == TASKS
        assert all(("traceparent" in message.headers) == is_traced for message in messages)
        found = [Assignment.from_bytes(message.body) for message in messages]
        bodies = sorted(message.body.replace(spec.id.encode(), b"ID") for message in messages)
        assert {each.spec for each in found} == {spec}
        assert out_journal(spec.id) in transport.names()
        return stored(transport, spec.id), bodies
    finally:
        release_session(outbox, spec)
        transport.close()


def test_what_is_stored_is_the_same_to_the_byte_traced_or_not(data: Path) -> None:
    plain = fed(data, is_traced=False)
    with traced():
        assert fed(data, is_traced=True) == plain
    assert sum(map(len, plain[0].values())) > 10


class Collector:
    """Takes OTLP over HTTP, as Jaeger, Tempo or OpenTelemetry's collector do."""

    def __init__(self) -> None:
        self.spans: list[Seen] = []
        collector = self

        class Taking(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                collector.spans.extend(collector.seen(ExportTraceServiceRequest.FromString(body)))
                self.send_response(200)
                self.end_headers()

            def log_message(self, format: str, *args: Any) -> None:
                """Quiet."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Taking)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()

    def seen(self, request: Any) -> list[Seen]:
        """The spans of a request."""
        return [
            Seen(
                span.name,
                int.from_bytes(span.trace_id, "big"),
                int.from_bytes(span.span_id, "big"),
                int.from_bytes(span.parent_span_id, "big") or None,
                {a.key: a.value.string_value or a.value.int_value for a in span.attributes},
            )
            for resource in request.resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        ]

    def close(self) -> None:
        """No more."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@pytest.mark.timeout(240)
def test_processes_that_are_killed_leave_a_whole_tree_at_the_collector(
    broker: PrivateBroker, data: Path
) -> None:
    collector, spec = Collector(), SessionSpec(new_id())
    variables = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url, "OTEL_BSP_SCHEDULE_DELAY": "50"}
    try:
        with traced() as memory, Cluster(broker.url) as cluster:
            gateway = cluster.start("gateway", environment=variables)
            crash = {**variables, "COFFEESHOP_CRASH_AT": "task.output_confirmed"}
            victim = cluster.start("worker", environment=crash)
            said = gateway.wait_for("gateway.listening")
            client = GatewayClient(f"http://127.0.0.1:{said['port']}")
            done = threading.Thread(target=analyse, args=(client, open_folder(data), spec))
            done.start()
            assert victim.wait() == -9
            cluster.start("worker", environment=variables)
            done.join(120)
            assert not done.is_alive()
            client.close()
        ours = memory.spans()
        spans = ours + [span for span in collector.spans if span.trace == ours[0].trace]
    finally:
        collector.close()
    check_session(spans, spec.id)
    attempts = Counter(span.name for span in collector.spans)
    assert attempts["task attempt"] >= TASKS
