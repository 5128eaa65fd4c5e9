"""A broker at its limit of file descriptors: 503 with the limit, known beforehand where told."""

from __future__ import annotations

from typing import Any

import pytest

from coffeeshop.commands.doctor import examine
from coffeeshop.errors import JournalBroken
from coffeeshop.gateway.admission import Limits
from coffeeshop.gateway.broker_files import OF_BROKER, BrokerFiles
from tests.acceptance.http.requests import opened, problem
from tests.running import eventually, http, running
from tests.unit.world import spec_of


def test_a_session_takes_three_for_each_of_its_journals() -> None:
    assert BrokerFiles.of_session(spec_of(partitions=2)) == 22
    assert BrokerFiles.of_session(spec_of(partitions=2), released=True) == 3
    assert BrokerFiles(500).taken([]) == OF_BROKER


def test_sessions_beyond_the_brokers_descriptors_are_refused_and_doctor_warns_before() -> None:
    limits = Limits(broker_files=OF_BROKER + 3 * 22 + 5)
    with running(limits=limits) as system, http(system) as api:
        client = system.client(patience=0)
        eventually(client.nodes, "a node is listed")
        for _ in range(3):
            last = opened(api)
        (finding,) = [each for each in examine(client) if "descriptors" in each.check]
        assert not finding.ok
        assert finding.found == "about 166 of 171"
        answer = api.post("/v1/sessions", json={})
        words = problem(answer, 503)["detail"]
        assert "the broker is out of file descriptors (limit 171): 3 sessions are open" in words
        assert "--broker-files" in words
        assert answer.headers["retry-after"] == "5"
        assert "coffeeshop_broker_files 166.0" in api.get("/metrics").text
        api.delete(f"/v1/sessions/{last}")
        eventually(lambda: api.post("/v1/sessions", json={}).status_code == 201, "there is room")


def test_a_broker_that_makes_no_stream_at_all_is_full_and_is_not_asked_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with running(node=False) as system, http(system) as api:
        declare, asked = system.transport.declare_journal, []

        def full(name: str, *limits: Any) -> None:
            if not name.startswith("ctl.sessions"):
                asked.append(name)
                raise JournalBroken(f"the broker holds {name} without a stream")
            declare(name, *limits)

        for _ in range(2):
            opened(api)
        monkeypatch.setattr(system.transport, "declare_journal", full)
        for _ in range(3):
            answer = api.post("/v1/sessions", json={})
            words = problem(answer, 503)["detail"]
            assert "the broker is out of file descriptors (limit " in words
        assert len(asked) == 2  # the session's, and the probe
        monkeypatch.undo()
        for each in api.get("/v1/sessions").json()["sessions"]:
            api.delete(f"/v1/sessions/{each['id']}")
        eventually(lambda: api.post("/v1/sessions", json={}).status_code == 201, "there is room")


def test_a_single_broken_name_is_not_taken_for_a_full_broker(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with running(node=False) as system, http(system) as api:
        declare = system.transport.declare_journal

        def broken(name: str, *limits: Any) -> None:
            if name.startswith("in."):
                raise JournalBroken(f"the broker holds {name} without a stream")
            declare(name, *limits)

        monkeypatch.setattr(system.transport, "declare_journal", broken)
        answer = api.post("/v1/sessions", json={})
        assert "could not be opened; open another" in problem(answer, 410)["detail"]
        eventually(
            lambda: not any("probe" in name for name in system.transport.names()), "it is removed"
        )
