"""What a gateway and a node tell Prometheus of the sessions that went through them."""

from __future__ import annotations

from pathlib import Path

import httpx2 as httpx
import pytest

from coffeeshop.actors.hosted import HostedNode
from coffeeshop.client.remote import analyse
from coffeeshop.gateway.admission import Limits
from coffeeshop.gateway.metrics import of_sessions
from coffeeshop.gateway.server import GatewayServer
from coffeeshop.generate import generate
from coffeeshop.names import STAGES
from coffeeshop.observability.metrics import render
from coffeeshop.pipeline.messages import SessionSpec
from coffeeshop.reading.folder import open_folder
from coffeeshop.sessions.lifecycle import Session, Timeouts
from tests.running import PATIENCE, Running, eventually, http, new_id, running


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, int]]:
    """A folder, and how many rows of each table are in it."""
    folder = tmp_path_factory.mktemp("data") / "north"
    return folder, generate(folder, transactions=1000, seed=8)


def samples(text: str) -> dict[str, float]:
    pairs = [line.rsplit(" ", 1) for line in text.splitlines() if line.startswith("coffeeshop_")]
    return {name.removeprefix("coffeeshop_"): float(value) for name, value in pairs}


def told(system: Running, number: int = 0) -> dict[str, float]:
    url = f"{system.url_of(number)}/metrics"
    return samples(httpx.get(url, timeout=PATIENCE, trust_env=False).text)


@pytest.mark.parametrize("asked", [0, 1])
def test_rows_results_and_ends_are_counted_by_the_replica_that_did_it(
    data: tuple[Path, dict[str, int]], asked: int
) -> None:
    """Which of them keeps the session, and so writes its end, is for the queue to say."""
    folder, rows = data
    with running(gateways=2) as system:
        analyse(system.client(asked), open_folder(folder), SessionSpec(new_id()))
        first, second = told(system, asked), told(system, 1 - asked)
        for table, number in rows.items():
            assert first[f'rows_stored_total{{table="{table}"}}'] == number
            assert second[f'rows_stored_total{{table="{table}"}}'] == 0
            assert first[f'batches_stored_total{{table="{table}"}}'] >= 1
            assert first[f'batch_bytes_stored_total{{table="{table}"}}'] > 0
        assert first['results_sent_total{query="query3"}'] == 1
        assert first['result_bytes_sent_total{query="query3"}'] > 0
        completed = 'sessions_ended_total{state="completed"}'
        state = 'sessions_by_state{state="completed"}'

        def both(name: str) -> list[float]:
            return [told(system, number)[name] for number in (0, 1)]

        eventually(lambda: both(state) == [1, 1], "both know of the end")
        assert sorted(both(completed)) == [0, 1]
        eventually(lambda: both("sessions_unreleased") == [0, 0], "both know of its release")


def test_a_gateway_that_starts_counts_no_ends_that_others_wrote() -> None:
    cancelled = 'sessions_ended_total{state="cancelled"}'
    with running(node=False) as system, http(system) as api:
        session = api.post("/v1/sessions", json={}).json()["id"]
        api.post(f"/v1/sessions/{session}/cancel")
        eventually(lambda: told(system)[cancelled] == 1, "the end is counted")
        later = GatewayServer(system.transport, "127.0.0.1", 0)
        system.gateways.append(later)
        later.start()
        assert told(system, 1)['sessions_by_state{state="cancelled"}'] == 1
        assert told(system, 1)[cancelled] == 0


def test_a_session_that_waits_for_its_results_grows_old() -> None:
    with running(node=False) as system, http(system) as api:
        assert told(system)["oldest_uploaded_session_seconds"] == 0
        session = api.post("/v1/sessions", json={}).json()["id"]
        assert told(system)["oldest_uploaded_session_seconds"] == 0  # not uploaded yet
        for table in ("menu_items", "stores", "users", "transactions", "transaction_items"):
            path = f"/v1/sessions/{session}/tables/{table}/eof"
            assert api.put(path, json={"batches": 0}).status_code == 204
        eventually(lambda: told(system)["oldest_uploaded_session_seconds"] > 0, "it is seen")


def test_refusals_are_told_by_the_limit_that_was_met() -> None:
    with running(node=False, limits=Limits(open_sessions=1)) as system, http(system) as api:
        answers = [api.post("/v1/sessions", json={}).status_code for _ in range(3)]
        assert answers == [201, 503, 503]
        names = {k: v for k, v in told(system).items() if k.startswith("requests_refused")}
        assert {k: v for k, v in names.items() if v} == {
            'requests_refused_total{reason="open_sessions"}': 2
        }
        assert 'requests_refused_total{reason="in_memory"}' in names  # before the first of them


def test_results_whose_time_is_over_are_pending_deletions() -> None:
    with running(node=False, timeouts=Timeouts(result_ttl=0.1)) as system, http(system) as api:
        session = api.post("/v1/sessions", json={}).json()["id"]
        api.post(f"/v1/sessions/{session}/cancel")
        log = system.gateways[0].sessions.log
        eventually(lambda: not log.all(), "its results are deleted")
        assert told(system)["sessions_unexpired"] == 0
    ended = Session(SessionSpec("s"), "g", 0.0, state="failed", ended=5.0, released=True)
    for wall, pending in ((5.1, 0), (5.2, 1)):
        found = of_sessions([ended], wall, Timeouts(result_ttl=0.1))
        assert found["sessions_unexpired"] == pending


def test_a_node_tells_what_its_tasks_took(data: tuple[Path, dict[str, int]]) -> None:
    with running(node=False) as system:
        node = HostedNode(system.transport, STAGES, system.failures.append)
        try:
            analyse(system.client(), open_folder(data[0]), SessionSpec(new_id()))
            found = samples(render({**node.status(), **node.metrics()})[0].decode())
        finally:
            node.close(10)
        assert found['records_taken_total{stage="filters"}'] >= 4
        assert found['record_bytes_taken_total{stage="filters"}'] > 1000
        assert found['tasks_by_stage{stage="filter_year"}'] == 0
        assert found["longest_record_seconds"] >= 0
        assert found["supervisor_answer_seconds"] < PATIENCE
        assert found["actor_messages_waiting"] >= 0
