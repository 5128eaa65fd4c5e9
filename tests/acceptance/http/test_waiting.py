"""What a gateway says while nobody works, and of results that are kept."""

from __future__ import annotations

import json
import threading
import time

import pytest

from coffeeshop import presence
from coffeeshop.actors.hosted import HostedNode
from coffeeshop.names import STAGES
from coffeeshop.pipeline.messages import SessionSpec
from coffeeshop.presence import Presence
from tests.acceptance.http.requests import opened, problem
from tests.running import PATIENCE, eventually, http, new_id, running


def test_without_a_worker_everybody_is_told_that_the_data_waits(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(presence, "SETTLING", 0.3)
    sentence = "No worker is running; your data is safe and waits"
    with running(node=False) as system, http(system) as api:
        session = opened(api)
        put_end = f"/v1/sessions/{session}/tables/users/eof"
        assert api.put(put_end, json={"batches": 0}).status_code == 204
        heard: list[str] = []
        came = threading.Semaphore(0)

        def listen() -> None:
            for event in system.client().events(session):
                heard.append(event.name)
                came.release()

        listener = threading.Thread(target=listen)
        listener.start()
        assert came.acquire(timeout=PATIENCE)
        assert heard == ["waiting"]
        shown = api.get(f"/v1/sessions/{session}").json()
        assert "filters" in shown["waits_for"]
        assert api.get("/v1/overview").json()["trouble"] == f"{sentence}."
        assert api.get(f"/v1/overview/sessions/{session}").json()["trouble"] == sentence
        node = HostedNode(system.transport, STAGES, system.failures.append)
        there = Presence(system.transport, ["worker"], node.status, period=0.1)
        there.start()
        try:
            assert came.acquire(timeout=PATIENCE)
            assert heard == ["waiting", "working"]
            assert api.get("/v1/overview").json()["trouble"] == ""
            eventually(
                lambda: api.get(f"/v1/overview/sessions/{session}").json()["tasks"].get("filters"),
                "its tasks are at work",
            )
            api.post(f"/v1/sessions/{session}/cancel")
            listener.join(PATIENCE)
        finally:
            node.close(0.0)
            there.close()
    assert heard == ["waiting", "working", "cancelled"]


def test_a_session_says_when_it_is_deleted_and_can_be_kept_longer() -> None:
    with running(node=False) as system, http(system) as api:
        session = opened(api)
        assert api.get(f"/v1/sessions/{session}").json()["expires_at"] is None
        api.post(f"/v1/sessions/{session}/cancel")
        eventually(lambda: api.get(f"/v1/sessions/{session}").json()["expires_at"], "it has an end")
        shown = api.get(f"/v1/sessions/{session}").json()
        assert shown["expires_at"] == shown["ended_at"] + 7 * 86_400
        month = {"seconds": 30 * 86_400}
        kept = api.post(f"/v1/sessions/{session}/keep", json=month).json()["expires_at"]
        assert kept == pytest.approx(time.time() + month["seconds"], abs=PATIENCE)
        assert api.post(f"/v1/sessions/{session}/keep", json={"seconds": 0}).json()[
            "expires_at"
        ] == pytest.approx(kept)
        problem(api.post(f"/v1/sessions/{session}/keep", json={"seconds": 1e9}), 422)
        problem(api.post(f"/v1/sessions/{new_id()}/keep"), 404)


def test_a_client_says_why_it_ends_a_session_and_nothing_that_commands_a_terminal() -> None:
    with running(node=False) as system, http(system) as api:
        client = system.client()
        spec = SessionSpec(new_id())
        client.open(spec)
        row = {"file": "a\x1b[2J.csv", "line": 3, "reason": "no time"}
        why = {"kind": "bad_data", "reason": "a.csv, line 3", "bad_rows": [row]}
        client.cancel_soon(spec.id, PATIENCE, why)
        eventually(lambda: client.session(spec.id)["state"] == "failed", "it failed")
        found = client.session(spec.id)
        assert found["reason"] == "bad data: a.csv, line 3"
        assert found["bad_rows"][0]["file"] == "a\N{REPLACEMENT CHARACTER}[2J.csv"
        assert "\x1b" not in json.dumps(found, ensure_ascii=False)
        too_many = {"kind": "bad_data", "bad_rows": [row] * 11}
        problem(api.post(f"/v1/sessions/{spec.id}/cancel", json=too_many), 422)
