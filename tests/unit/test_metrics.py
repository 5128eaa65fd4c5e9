"""Metrics in Prometheus' format, and the small server for them."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import httpx2 as httpx
import pytest
from prometheus_client import Histogram

from coffeeshop import __version__
from coffeeshop.observability import metrics as module
from coffeeshop.observability.metrics import Labelled, MetricsServer, memory_limit, render
from tests.running import PATIENCE


@pytest.fixture
def ready() -> list[bool]:
    return [True]


@pytest.fixture
def server(ready: list[bool]) -> Iterator[MetricsServer]:
    made = MetricsServer("127.0.0.1", 0, lambda: {"tasks": 4}, lambda: ready[0])
    yield made
    made.close()


def get(server: MetricsServer, path: str, method: str = "GET") -> httpx.Response:
    url = f"http://127.0.0.1:{server.port}{path}"
    return httpx.request(method, url, timeout=PATIENCE, trust_env=False)


def test_numbers_are_gauges_and_totals_are_counters() -> None:
    body, media_type = render({"tasks": 3, "restarts_total": 2, "load": 0.5})
    text = body.decode()
    assert media_type.startswith("text/plain")
    assert "# TYPE coffeeshop_tasks gauge\ncoffeeshop_tasks 3.0\n" in text
    assert "# TYPE coffeeshop_restarts_total counter\ncoffeeshop_restarts_total 2.0\n" in text
    assert "coffeeshop_load 0.5" in text


def test_what_is_no_number_is_left_out() -> None:
    text = render({"version": "1", "blocked": True, "nothing": None, "names": []})[0].decode()
    own = [line for line in text.split("\n") if line.startswith("coffeeshop_")]
    names = {line.split()[0].partition("{")[0] for line in own}
    of_every_process = {"coffeeshop_build_info", "coffeeshop_threads"}
    assert names - {"coffeeshop_memory_limit_bytes"} == of_every_process


def test_one_figure_for_each_value_of_a_label() -> None:
    figures = {
        "tasks_by_stage": Labelled("stage", {"a": 1, "b": 2}),
        "taken_total": Labelled("stage", {}),
    }
    text = render(figures)[0].decode()
    assert (
        'coffeeshop_tasks_by_stage{stage="a"} 1.0\ncoffeeshop_tasks_by_stage{stage="b"} 2.0' in text
    )
    assert "# TYPE coffeeshop_taken_total counter" in text


def test_a_collector_of_the_library_is_rendered_as_it_is() -> None:
    histogram = Histogram("coffeeshop_wait_seconds", "Waits.", registry=None, buckets=(1, 2))
    histogram.observe(1.5)
    text = render({"anything": histogram})[0].decode()
    assert 'coffeeshop_wait_seconds_bucket{le="2.0"} 1.0' in text
    assert "_created" not in text


def test_what_runs_is_told_by_version() -> None:
    text = render({})[0].decode()
    assert f'version="{__version__}"' in text


@pytest.mark.parametrize(
    ("file", "said", "limit"),
    [
        ("memory.max", "2147483648\n", 2 << 30),
        ("memory.max", "max\n", None),
        ("memory/memory.limit_in_bytes", "1073741824\n", 1 << 30),
        ("memory/memory.limit_in_bytes", "9223372036854771712\n", None),
        ("nothing", "1\n", None),
    ],
)
def test_the_containers_limit_is_what_the_kernel_says(
    tmp_path: Path, file: str, said: str, limit: int | None
) -> None:
    (tmp_path / file).parent.mkdir(exist_ok=True)
    (tmp_path / file).write_text(said)
    assert memory_limit(str(tmp_path)) == limit


def test_the_process_itself_is_described() -> None:
    text = render({})[0].decode()
    assert "process_resident_memory_bytes" in text
    assert "process_open_fds" in text


def test_rendering_twice_does_not_add_up() -> None:
    assert render({"tasks": 1})[0].decode().count("coffeeshop_tasks 1.0") == 1
    assert render({"tasks": 1})[0].decode().count("coffeeshop_tasks 1.0") == 1


def test_the_server_gives_figures_and_health(server: MetricsServer) -> None:
    assert "coffeeshop_tasks 4.0" in get(server, "/metrics").text
    assert get(server, "/healthz").status_code == 200
    assert get(server, "/readyz").status_code == 200
    assert get(server, "/").status_code == 404
    assert get(server, "/../etc/passwd").status_code == 404


def test_a_process_that_is_not_ready_says_so(server: MetricsServer, ready: list[bool]) -> None:
    ready[0] = False
    assert get(server, "/readyz").status_code == 503
    assert get(server, "/healthz").status_code == 200


def test_clients_that_say_nothing_silence_nobody(server: MetricsServer) -> None:
    silent = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(5)]
    assert get(server, "/healthz").status_code == 200
    for each in silent:
        each.close()


def test_a_client_that_says_nothing_is_let_go(
    monkeypatch: pytest.MonkeyPatch, server: MetricsServer
) -> None:
    monkeypatch.setattr(module._Quiet, "timeout", 0.05)
    with socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE) as silent:
        assert silent.recv(1) == b""


def test_a_taken_port_is_an_error_at_once(server: MetricsServer) -> None:
    with pytest.raises(OSError, match="in use"):
        MetricsServer("127.0.0.1", server.port, dict, lambda: True)


def test_it_listens_on_version_6_addresses_too() -> None:
    try:
        server = MetricsServer("::1", 0, dict, lambda: True)
    except OSError:
        pytest.skip("no IPv6 here")
    url = f"http://[::1]:{server.port}/healthz"
    assert httpx.get(url, timeout=PATIENCE, trust_env=False).status_code == 200
    server.close()


def test_after_its_end_nobody_listens() -> None:
    server = MetricsServer("127.0.0.1", 0, dict, lambda: True)
    server.close()
    with pytest.raises(httpx.ConnectError):
        get(server, "/healthz")
