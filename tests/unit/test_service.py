"""One process of the distributed system: started and stopped in order."""

from __future__ import annotations

import os
import resource
import signal
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2 as httpx
import pytest

from coffeeshop import service as module
from coffeeshop.errors import Unreachable, UsageError
from coffeeshop.gateway.security.access import Access
from coffeeshop.gateway.security.tokens import Tokens, line_of, new_token
from coffeeshop.names import NODE_TYPES, OWN
from coffeeshop.pipeline.plan import PLANS
from coffeeshop.presence import NODES
from coffeeshop.service import (
    STAGES,
    NodeOptions,
    RootFailed,
    Service,
    has_gateway,
    raise_descriptor_limit,
    resident_bytes,
    stages_of,
)
from coffeeshop.transport.memory import MemoryTransport
from tests.running import PATIENCE, eventually


@dataclass
class Counts:
    connections: int = 1
    channels: int = 2
    readers: int = 0
    consumers: int = 0
    unconfirmed: int = 0
    reconnects: int = 3
    blocked: bool = False


class Broker(MemoryTransport):
    """A transport that can be away, and that can refuse to close."""

    def __init__(self) -> None:
        super().__init__()
        self.counted = Counts()
        self.refusals = 0
        self.asked = 0
        self.closing = threading.Event()
        self.may_close = threading.Event()
        self.may_close.set()

    def counts(self) -> Counts:
        return self.counted

    def wait_connected(self, timeout: float) -> None:
        self.asked += 1
        if self.refusals:
            self.refusals -= 1
            raise Unreachable("no broker yet")

    def close(self) -> None:
        self.closing.set()
        assert self.may_close.wait(PATIENCE)
        super().close()


class Process:
    """A service on a thread, with free ports."""

    def __init__(self, *types: str, **how: Any) -> None:
        how = {"port": 0, "metrics_port": 0, "drain_timeout": 0.1, **how}
        self.broker = Broker()
        self.service = Service(NodeOptions(types, "amqp://u:secret@nowhere", **how), self.broker)
        self.error: BaseException | None = None
        self.thread = threading.Thread(target=self._run)

    def start(self) -> Process:
        self.thread.start()
        return self

    def _run(self) -> None:
        try:
            self.service.run()
        except (RootFailed, OSError) as error:
            self.error = error

    def stop(self) -> None:
        self.service.stop()
        self.thread.join(PATIENCE)
        assert not self.thread.is_alive()


@pytest.fixture
def listening(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The servers that a service makes, by their kind."""
    made: dict[str, Any] = {}
    metrics = module.MetricsServer

    def counted(*arguments: Any) -> Any:
        made["metrics"] = metrics(*arguments)
        return made["metrics"]

    monkeypatch.setattr(module, "MetricsServer", counted)
    return made


def test_every_type_stands_for_its_stages() -> None:
    assert stages_of(("gateway",)) == ()
    assert stages_of(("worker",)) == stages_of(("all",)) == STAGES
    assert stages_of(("filter_hour", "gateway", "filter_year")) == ("filter_year", "filter_hour")
    assert {*(stage.name for plan in PLANS.values() for stage in plan.stages), OWN} == set(STAGES)
    assert [each for each in NODE_TYPES if has_gateway((each,))] == ["gateway", "all"]


def test_a_type_nobody_knows_is_wrong_usage() -> None:
    with pytest.raises(UsageError, match="no node type 'waiter'; the types are gateway, "):
        stages_of(("worker", "waiter"))


def test_the_brokers_password_is_in_no_representation() -> None:
    assert "secret" not in repr(NodeOptions(("all",), "amqp://u:secret@nowhere"))


def test_a_process_starts_says_so_and_stops(listening: dict[str, Any]) -> None:
    process = Process("worker").start()
    assert process.service.wait_ready(PATIENCE)
    url = f"http://127.0.0.1:{listening['metrics'].port}"
    eventually(lambda: httpx.get(f"{url}/readyz").status_code == 200, "it is ready")
    figures = httpx.get(f"{url}/metrics").text
    for name in ("tasks", "actors", "connections", "reconnects_total", "resident_bytes"):
        assert f"\ncoffeeshop_{name} " in figures
    assert NODES in process.broker.names()
    process.stop()
    assert process.error is None
    assert process.broker.names() == []
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{url}/healthz")


def test_a_process_whose_broker_went_away_is_alive_and_not_ready(
    listening: dict[str, Any],
) -> None:
    process = Process("worker").start()
    assert process.service.wait_ready(PATIENCE)
    url = f"http://127.0.0.1:{listening['metrics'].port}"
    process.broker.counted = Counts(connections=0)
    assert httpx.get(f"{url}/readyz").status_code == 503
    assert httpx.get(f"{url}/healthz").status_code == 200
    process.stop()


def test_a_broker_that_is_not_there_yet_is_waited_for() -> None:
    process = Process("filter_year", metrics_port=None)
    process.broker.refusals = 3
    process.start()
    assert process.service.wait_ready(PATIENCE)
    assert process.broker.asked == 4
    process.stop()


def test_whoever_waits_for_a_broker_is_told_once_what_to_do(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    told: list[tuple[str, dict[str, Any]]] = []

    class Log:
        def __getattr__(self, level: str) -> Any:
            return lambda event, **fields: told.append((f"{level} {event}", fields))

    monkeypatch.setattr(module, "log", Log())
    process = Process("filter_year", metrics_port=None)
    process.broker.refusals = 3
    process.start()
    assert process.service.wait_ready(PATIENCE)
    process.stop()
    (fields,) = [fields for what, fields in told if what == "warning node.waiting_for_broker"]
    assert "coffeeshop serve" in fields["hint"]
    assert fields["broker"] == "amqp://u@nowhere:5672/"
    assert sum(what == "debug node.waiting_for_broker" for what, _ in told) == 2


def test_a_process_that_waits_for_its_broker_can_be_stopped() -> None:
    process = Process("gateway", metrics_port=None)
    process.broker.refusals = 1 << 30
    process.start()
    eventually(lambda: process.broker.asked > 2, "it waits")
    process.stop()
    assert not process.service.wait_ready(0)


def test_a_gateway_and_a_worker_share_a_process() -> None:
    process = Process("all", metrics_port=None).start()
    assert process.service.wait_ready(PATIENCE)
    assert "ctl.sessions" in process.broker.names()
    assert "ctl.assign.filters" in process.broker.names()
    process.stop()
    assert process.error is None


def test_a_taken_port_ends_the_process_and_closes_everything() -> None:
    first = Process("worker", metrics_port=None).start()
    import socket

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        second = Process("all", port=taken.getsockname()[1], metrics_port=None).start()
        second.thread.join(PATIENCE)
    assert isinstance(second.error, OSError)
    assert second.broker.closing.is_set()
    first.stop()


def test_a_failed_root_ends_the_process_with_its_reason() -> None:
    process = Process("worker", metrics_port=None).start()
    assert process.service.wait_ready(PATIENCE)
    process.service._root_failed("too many failures")
    process.thread.join(PATIENCE)
    assert isinstance(process.error, RootFailed)
    assert (str(process.error), process.error.exit_code) == ("too many failures", 70)


def test_a_shutdown_that_hangs_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    ended: list[int] = []
    done = threading.Event()

    def end(code: int) -> None:
        ended.append(code)
        done.set()

    monkeypatch.setattr(os, "_exit", end)
    monkeypatch.setattr(module, "HARD_DEADLINE", 0.1)
    process = Process("gateway", metrics_port=None)
    process.broker.may_close.clear()
    process.start()
    assert process.service.wait_ready(PATIENCE)
    process.service.stop()
    assert process.broker.closing.wait(PATIENCE)
    assert done.wait(PATIENCE)
    process.broker.may_close.set()
    process.thread.join(PATIENCE)
    assert ended == [70]


def test_a_shutdown_in_time_is_not_ended_later(monkeypatch: pytest.MonkeyPatch) -> None:
    ended: list[int] = []
    monkeypatch.setattr(os, "_exit", ended.append)
    process = Process("gateway", metrics_port=None).start()
    assert process.service.wait_ready(PATIENCE)
    process.stop()
    timers = [each for each in threading.enumerate() if isinstance(each, threading.Timer)]
    for timer in timers:
        timer.join(PATIENCE)  # cancelled, it ends at once
        assert not timer.is_alive()
    assert ended == []


def test_the_process_knows_its_memory() -> None:
    assert resident_bytes() > 1 << 20


def test_a_process_may_open_as_many_files_as_the_system_allows() -> None:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (256, before[1]))
        assert raise_descriptor_limit() == before[1]
        assert resource.getrlimit(resource.RLIMIT_NOFILE) == (before[1], before[1])
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


@pytest.mark.parametrize("given", [True, False])
def test_a_hangup_lets_the_gateway_read_its_tokens_again(tmp_path: Path, given: bool) -> None:
    file, first, second = tmp_path / "tokens", new_token(), new_token()
    file.write_text(line_of("alice", first))
    tokens, before = Tokens(file), file.stat()
    options = NodeOptions(("gateway",), "amqp://x", access=Access(tokens) if given else None)
    handlers = {s: signal.getsignal(s) for s in (signal.SIGHUP, signal.SIGTERM, signal.SIGINT)}
    try:
        Service(options).install_signals()
        file.write_text(line_of("alice", second))
        os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
        os.kill(os.getpid(), signal.SIGHUP)
        assert (tokens.client_of(second) is not None) == given
    finally:
        signal.set_wakeup_fd(-1)
        for number, handler in handlers.items():
            signal.signal(number, handler)
