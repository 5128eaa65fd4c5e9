"""A gateway that stops while requests wait for a broker that says nothing."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import httpx2 as httpx
import pytest

from coffeeshop.codec import encode
from coffeeshop.gateway import server
from coffeeshop.transport import Message
from coffeeshop.transport.base import OnOutcome
from coffeeshop.transport.memory import MemoryTransport
from tests.acceptance.http.requests import opened, problem, put
from tests.running import PATIENCE, http, running
from tests.unit.helpers import USERS


def test_a_request_that_waits_when_the_gateway_stops_is_asked_to_come_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """So that its client repeats it elsewhere, or here a little later."""
    waits = threading.Event()
    append = MemoryTransport.append

    def append_or_wait(
        transport: MemoryTransport, name: str, message: Message, on_outcome: OnOutcome
    ) -> None:
        if name.startswith("in."):
            waits.set()  # and no outcome, as while a broker is away
        else:
            append(transport, name, message, on_outcome)

    monkeypatch.setattr(MemoryTransport, "append", append_or_wait)
    monkeypatch.setattr(server, "REQUESTS_END", 0)

    def send(api: httpx.Client, session: str) -> httpx.Response:
        return put(api, session, "users", 0, encode(USERS))

    with running() as system, http(system) as api, ThreadPoolExecutor(1) as pool:
        sending = pool.submit(send, api, opened(api))
        assert waits.wait(PATIENCE)
        system.gateways[0].close()
        answer = sending.result(PATIENCE)
    problem(answer, 503)
    assert int(answer.headers["Retry-After"]) > 0
