"""What is stated of threads, memory and descriptors agrees with containers and admission."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from coffeeshop import bounds
from coffeeshop.actors.dispatcher import ThreadDispatcher
from coffeeshop.actors.intake import MOST
from coffeeshop.commands.doctor import NEARLY, Finding, examine
from coffeeshop.gateway.admission import Limits
from coffeeshop.gateway.app import REFUSED_THREAD
from coffeeshop.gateway.broker_files import OF_BROKER, BrokerFiles
from coffeeshop.observability.metrics import thread_limit
from coffeeshop.testing.clock import VirtualClock
from tests.acceptance.http.requests import problem
from tests.running import eventually, http, running
from tests.unit.world import spec_of

ROOT = Path(__file__).parents[2]
COMPOSE = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]
NODES = [name for name, service in COMPOSE.items() if "run-node" in str(service.get("command"))]
UNITS = {"M": 1, "G": 1024}


def limits_of(service: str) -> tuple[int, int]:
    """Threads, and MiB of memory."""
    found = COMPOSE[service]["deploy"]["resources"]["limits"]
    return found["pids"], int(found["memory"][:-1]) * UNITS[found["memory"][-1]]


@pytest.mark.parametrize("service", NODES)
def test_every_container_allows_twice_the_threads_that_a_process_takes(service: str) -> None:
    assert limits_of(service)[0] >= 2 * bounds.THREADS


def test_as_many_sessions_as_are_admitted_fit_into_the_memory_of_the_containers() -> None:
    for service, mib in (
        ("gateway", bounds.GATEWAY_MIB),
        ("worker", bounds.WORKER_MIB),
        ("rabbitmq", bounds.BROKER_MIB),
    ):
        assert bounds.OPEN_SESSIONS * mib < limits_of(service)[1] / 2, service


def test_as_many_sessions_as_are_admitted_stay_below_the_brokers_watermark() -> None:
    config = (ROOT / "deploy/rabbitmq.conf").read_text()
    assert "vm_memory_high_watermark.absolute = 1200MiB" in config
    assert 200 + bounds.OPEN_SESSIONS * bounds.BROKER_MIB < 1200


def test_as_many_sessions_as_are_admitted_fit_into_the_brokers_descriptors() -> None:
    limits = Limits()
    assert (limits.open_sessions, limits.broker_files) == (
        bounds.OPEN_SESSIONS,
        bounds.BROKER_FILES,
    )
    taken = OF_BROKER + bounds.OPEN_SESSIONS * BrokerFiles.of_session(spec_of(partitions=2))
    assert taken < bounds.BROKER_FILES * NEARLY
    assert COMPOSE["rabbitmq"]["ulimits"]["nofile"]["soft"] == bounds.BROKER_FILES


def test_one_node_may_hold_the_tasks_of_all_sessions_that_are_admitted() -> None:
    assert bounds.OPEN_SESSIONS * spec_of().partitions < MOST


def test_a_dispatcher_keeps_within_its_bounds_by_itself() -> None:
    dispatcher = ThreadDispatcher(VirtualClock())
    assert (dispatcher._normal, dispatcher._most) == (
        bounds.ACTOR_THREADS,
        bounds.MOST_ACTOR_THREADS,
    )
    dispatcher.close()


@pytest.mark.parametrize(("said", "limit"), [("512\n", 512), ("max\n", None), (None, None)])
def test_the_limit_of_a_containers_threads_is_read_where_there_is_one(
    tmp_path: Path, said: str | None, limit: int | None
) -> None:
    if said is not None:
        (tmp_path / "pids.max").write_text(said)
    assert thread_limit(str(tmp_path)) == limit


def findings_of(nodes: list[dict[str, Any]], sessions: int = 0) -> dict[str, Finding]:
    """What doctor says of a system with these nodes."""
    with running() as system, http(system):
        client = system.client(patience=0)
        eventually(client.nodes, "a node is listed")
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(client, "nodes", lambda: nodes)
            opened = [{"id": str(number), "uploaded": False} for number in range(sessions)]
            found = client.sessions
            patch.setattr(
                client,
                "sessions",
                lambda *how, **more: opened if how[:1] == ("open",) else found(*how, **more),
            )
            return {each.check: each for each in examine(client)}


def test_doctor_warns_before_threads_memory_and_sessions_are_at_their_bounds() -> None:
    node = {"id": "n1", "types": ["worker"], "tasks": 0}
    full = {**node, "threads": 450, "threads_limit": 512}
    full |= {"resident_bytes": 3900 << 20, "memory_limit_bytes": 4 << 30}
    found = findings_of([full], sessions=bounds.OPEN_SESSIONS - 100)
    assert not found["threads left in every process"].ok
    assert found["threads left in every process"].found == "at most 450 of 512"
    assert not found["MiB of memory left in every process"].ok
    assert not found["room for more sessions"].ok


def test_doctor_finds_room_where_there_is_and_where_nothing_is_limited() -> None:
    found = findings_of([{"id": "n1", "types": ["worker"], "tasks": 0, "threads": 20}])
    assert found["threads left in every process"].found == "at most 20 without a limit"
    assert found["threads left in every process"].ok
    assert found["room for more sessions"].ok


def test_a_request_for_which_there_is_no_thread_is_to_be_sent_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with running() as system, http(system) as api:

        def refused(*_: object, **__: object) -> None:
            raise RuntimeError(REFUSED_THREAD)

        monkeypatch.setattr(system.gateways[0].sessions, "open", refused)
        answer = api.post("/v1/sessions", json={})
        assert problem(answer, 503)["detail"].startswith("this gateway gets no more threads")
        assert int(answer.headers["Retry-After"]) >= 1
