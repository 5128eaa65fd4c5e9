"""Journals that an operator, or a policy of the broker, deletes while a session runs."""

from __future__ import annotations

import re

import pytest

from coffeeshop.pipeline.messages import out_journal
from coffeeshop.pipeline.plan import plan_named
from coffeeshop.sessions import ingest
from coffeeshop.sessions.sessions import KEEPER_QUEUE
from coffeeshop.transport import Message, Outcome
from coffeeshop.transport.base import OnOutcome
from tests.acceptance.http.requests import opened, problem, put
from tests.running import eventually, http, running
from tests.unit.helpers import PATIENCE
from tests.unit.world import World, reaches, released, spec_of


@pytest.mark.parametrize("stage", ["filters", "aggregator_query1", "aggregator_query4", "out"])
def test_the_session_fails_for_that_reason_and_its_rest_is_removed(
    world: World, stage: str
) -> None:
    world.work()
    sessions = world.replica("g1")
    spec = spec_of(partitions=2)
    sessions.open(spec)
    tasks = {task.stage: task.journal for task in plan_named(spec.plan).tasks(spec)}
    world.transport.delete_journal(tasks.get(stage, out_journal(spec.id)))
    sessions.feed(spec.id).result(PATIENCE)
    known = reaches(sessions, spec, "failed")
    assert known is not None
    assert "the broker lost" in known.reason
    assert tasks.get(stage, "journal") in known.reason
    eventually(lambda: released(sessions, spec), "its input is released")
    assert world.left() in ([], [out_journal(spec.id)])


def test_a_client_is_told_by_its_next_call_and_by_the_session() -> None:
    csv = {"Content-Type": "text/csv"}
    with running(node=False) as system, http(system) as api:
        session = opened(api)
        for name in [each for each in system.left() if each.startswith("in.")]:
            system.transport.delete_journal(name)
        rows = b"user_id,gender,birthdate,registered_at\n1,m,1980-02-29,2024-01-01 00:00:00\n"
        problem(put(api, session, "users", 0, rows, headers=csv), 410)
        eventually(
            lambda: api.get(f"/v1/sessions/{session}").json()["state"] == "failed", "it failed"
        )
        found = api.get(f"/v1/sessions/{session}")
        assert "the broker lost a journal of it" in found.json()["reason"]


def test_without_the_journal_of_all_sessions_a_gateway_says_so_at_once() -> None:
    with running(node=False) as system, http(system) as api:
        system.transport.delete_journal("ctl.sessions")
        eventually(lambda: api.get("/readyz").status_code == 503, "it is not ready")
        wanted = "the broker lost ctl.sessions, .* restart every gateway and every worker"
        assert re.search(wanted, api.get("/readyz").json()["detail"])
        answer = api.post("/v1/sessions", json={})
        assert re.search(wanted, problem(answer, 500)["detail"])


def test_a_queue_that_takes_nothing_is_said_to_be_limited(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ingest, "NACKED_PATIENCE", 0.1)

    publish = world.transport.publish

    def full(name: str, message: Message, on_outcome: OnOutcome) -> None:
        if name == KEEPER_QUEUE:
            publish(name, message, on_outcome)
        else:
            world.transport.append("no such journal", message, lambda _: on_outcome(Outcome.NACKED))

    monkeypatch.setattr(world.transport, "publish", full)
    sessions = world.replica("g1")
    spec = spec_of()
    wanted = "refuses every message for ctl.assign.filters: a policy limits the queue"
    sessions.open(spec)
    sessions.feed(spec.id).result(PATIENCE)
    known = reaches(sessions, spec, "failed")
    assert known is not None
    assert re.search(wanted, known.reason)
    eventually(lambda: released(sessions, spec), "what was made of it is removed")
