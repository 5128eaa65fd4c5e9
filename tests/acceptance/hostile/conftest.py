"""One gateway that all hostile input goes to, and what every test must leave behind: nothing."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import httpx2 as httpx
import pyarrow as pa
import pytest

from coffeeshop.gateway import dependencies
from coffeeshop.service import resident_bytes
from coffeeshop.sessions.lifecycle import Timeouts
from tests.running import Running, eventually, http, running

SMALL = 64 << 20
"""Bytes of memory that no refused request may cost for good."""


@pytest.fixture(scope="package")
def system() -> Iterator[Running]:
    with running(timeouts=Timeouts(client_timeout=3600.0)) as made:
        yield made


@pytest.fixture(scope="package")
def api(system: Running) -> Iterator[httpx.Client]:
    with http(system) as made:
        yield made


@pytest.fixture(autouse=True)
def harmless(system: Running, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Whatever a test sends: no thread, no bytes, no memory stay; and the gateway still answers."""
    monkeypatch.setattr(dependencies, "NEWS_TIMEOUT", 0.02)
    memory, arrow = resident_bytes(), pa.total_allocated_bytes()
    threads = threading.active_count()
    yield
    gateway = system.gateways[0].gateway
    eventually(lambda: gateway.admission.in_memory == 0, "no body is held")
    assert threading.active_count() <= threads + 45  # the event loop's pool has at most 40
    assert resident_bytes() - memory < SMALL
    assert pa.total_allocated_bytes() - arrow < SMALL
    with http(system) as probe:
        assert probe.get("/readyz").status_code == 200


@pytest.fixture(scope="package")
def session(api: httpx.Client) -> str:
    found: str = api.post("/v1/sessions", json={}).json()["id"]
    return found
