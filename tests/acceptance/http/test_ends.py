"""The ends of sessions over the gateway's API, and who hears of them."""

from __future__ import annotations

import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx2 as httpx

from coffeeshop.codec import encode
from coffeeshop.pipeline.messages import out_journal
from coffeeshop.sessions.lifecycle import Timeouts
from tests.acceptance.http.requests import (
    events_of,
    listening,
    opened,
    problem,
    put,
    state_of,
    uploaded,
)
from tests.running import PATIENCE, Running, eventually, http, listeners_of, readers_of, running
from tests.unit.helpers import USERS


def test_a_cancelled_session_tells_everybody(api: httpx.Client) -> None:
    session = opened(api)
    assert api.post(f"/v1/sessions/{session}/cancel").status_code == 202
    assert 'data: {"reason": "cancelled by the client"}' in events_of(api, session)
    eventually(lambda: state_of(api, session) == "cancelled", "the session is cancelled")
    for answer in (
        put(api, session, "users", 0, encode(USERS)),
        api.get(f"/v1/sessions/{session}/results/query1"),
    ):
        assert problem(answer, 410)["state"] == "cancelled"


def test_a_deleted_session_leaves_nothing_and_stays_deleted(
    system: Running, api: httpx.Client, data: Path
) -> None:
    for session in (opened(api), uploaded(api, data)):
        assert api.delete(f"/v1/sessions/{session}").status_code == 204
        eventually(
            lambda: api.get(f"/v1/sessions/{session}").status_code == 410,  # noqa: B023
            "the session is gone",
        )
        assert api.delete(f"/v1/sessions/{session}").status_code == 204
        assert problem(api.get(f"/v1/sessions/{session}"), 410)["state"] == "expired"
        problem(api.post("/v1/sessions", json={"id": session}), 410)
        eventually(
            lambda: not [name for name in system.left() if session in name],  # noqa: B023
            "nothing of it is left",
        )


def test_who_listens_to_a_deleted_session_hears_of_it(system: Running, api: httpx.Client) -> None:
    session = opened(api)
    with ThreadPoolExecutor(1) as pool:
        heard = pool.submit(events_of, api, session)
        listening(system)
        api.delete(f"/v1/sessions/{session}")
        assert 'event: cancelled\ndata: {"reason": "deleted"}' in heard.result(PATIENCE)


def test_a_listener_who_goes_away_is_let_go(system: Running, api: httpx.Client) -> None:
    session = opened(api)
    with api.stream("GET", f"/v1/sessions/{session}/events") as stream:
        lines = stream.iter_lines()  # kept, since the connection ends with it
        assert next(lines) == "retry: 1000"
        listening(system)
    eventually(lambda: listeners_of(system) == 0, "nobody listens any more")


def test_listeners_who_do_not_read_are_let_go_too(system: Running, api: httpx.Client) -> None:
    session = opened(api)
    port = system.gateways[0].port
    deaf = []
    for _ in range(3):
        client = socket.create_connection(("127.0.0.1", port))
        client.sendall(
            f"GET /v1/sessions/{session}/events HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()
        )
        deaf.append(client)
    eventually(lambda: listeners_of(system) == 3, "they listen")
    assert readers_of(system.transport, out_journal(session)) == 1, "one reading serves all"
    for client in deaf:
        client.close()
    eventually(lambda: listeners_of(system) == 0, "they are let go")


def test_a_silent_client_is_given_up_and_a_heartbeat_helps() -> None:
    timeouts = Timeouts(client_timeout=0.6, result_ttl=0.2)
    with running(node=False, timeouts=timeouts) as system, http(system) as api:
        silent, alive = opened(api), opened(api)
        heard = events_of_in_background(api, silent)
        beats = 0
        while not heard.is_set():
            assert api.post(f"/v1/sessions/{alive}/heartbeat").status_code == 204
            beats += 1
            heard.wait(0.1)
        assert beats > 1
        assert state_of(api, alive) == "open"
        assert api.get(f"/v1/sessions/{alive}").json()["heartbeat_seconds"] == 0.15
        eventually(lambda: not [n for n in system.left() if silent in n], "nothing of it is left")


def events_of_in_background(api: httpx.Client, session: str) -> threading.Event:
    heard = threading.Event()

    def listen() -> None:
        if "event: aborted" in events_of(api, session):
            heard.set()

    threading.Thread(target=listen, daemon=True).start()
    return heard
