"""The gateway's API as any HTTP client sees it: a real server, a real node, real sockets."""

from __future__ import annotations

import io
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import Any

import httpx2 as httpx
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from coffeeshop.client.folder import open_folder
from coffeeshop.client.gateway import GatewayClient
from coffeeshop.client.remote import analyse
from coffeeshop.codec import MAX_BODY, encode
from coffeeshop.errors import BadData, Cancelled, ProtocolError, SessionFailed, SessionTimeout
from coffeeshop.formats import MEDIA_TYPES, to_csv
from coffeeshop.gateway import state
from coffeeshop.gateway.admission import Limits
from coffeeshop.gateway.bodies import MAX_JSON
from coffeeshop.gateway.lifetimes import Lifetimes
from coffeeshop.generate import generate
from coffeeshop.messages import SessionSpec, out_journal
from coffeeshop.plan import PLANS
from coffeeshop.schema import TABLES
from tests.oracle import answers
from tests.running import PATIENCE, Running, eventually, http, new_id, readers_of, running
from tests.unit.helpers import STORES, TRANSACTIONS, USERS

ARROW = {"Content-Type": "application/vnd.apache.arrow.stream"}
CSV = {"Content-Type": "text/csv"}
QUERIES = PLANS["fused"].results


@pytest.fixture(scope="module")
def system() -> Iterator[Running]:
    with running() as made:
        yield made


@pytest.fixture(scope="module")
def api(system: Running) -> Iterator[httpx.Client]:
    with http(system) as made:
        yield made


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits for word of sessions that do not exist."""
    monkeypatch.setattr(state, "NEWS_TIMEOUT", 0.02)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("gateway") / "shop"
    generate(folder, transactions=2_000, seed=21, layout="flat")
    return folder


@pytest.fixture(scope="module")
def expected(data: Path) -> dict[str, str]:
    return answers(data)


def opened(api: httpx.Client, **wishes: Any) -> str:
    answer = api.post("/v1/sessions", json=wishes)
    assert answer.status_code == 201, answer.text
    assert answer.headers["location"] == f"/v1/sessions/{answer.json()['id']}"
    found: str = answer.json()["id"]
    return found


def put(
    api: httpx.Client, session: str, table: str, number: int, body: bytes, **how: Any
) -> httpx.Response:
    how = {"headers": ARROW, **how}
    return api.put(f"/v1/sessions/{session}/tables/{table}/batches/{number}", content=body, **how)


def end(api: httpx.Client, session: str, table: str, batches: int, **params: Any) -> httpx.Response:
    path = f"/v1/sessions/{session}/tables/{table}/eof"
    return api.put(path, json={"batches": batches}, params=params)


def problem(answer: httpx.Response, status: int) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    found: dict[str, Any] = answer.json()
    assert found["status"] == status
    assert found["title"]
    assert found["detail"]
    return found


def texts(tables: dict[str, pa.Table]) -> dict[str, str]:
    return {f"{query}.csv": to_csv(table).decode() for query, table in tables.items()}


def state_of(api: httpx.Client, session: str) -> str:
    found: str = api.get(f"/v1/sessions/{session}").json()["state"]
    return found


def events_of(api: httpx.Client, session: str, **headers: str) -> str:
    return api.get(f"/v1/sessions/{session}/events", headers=headers).text


def uploaded(api: httpx.Client, folder: Path) -> str:
    """A session fed as with curl: a CSV text a table."""
    session = opened(api, name=folder.name)
    for table in TABLES:
        text = (folder / f"{table}.csv").read_bytes()
        assert put(api, session, table, 0, text, headers=CSV).status_code == 204
        assert end(api, session, table, 1).status_code == 204
    return session


# The way of a whole session.


@pytest.fixture(scope="module")
def done(api: httpx.Client, data: Path) -> str:
    """A completed session."""
    session = uploaded(api, data)
    assert "event: completed" in events_of(api, session)
    eventually(lambda: state_of(api, session) == "completed", "the session is completed")
    return session


@pytest.mark.parametrize("query", QUERIES)
def test_raw_csv_uploads_are_analysed_exactly(
    api: httpx.Client, done: str, expected: dict[str, str], query: str
) -> None:
    answer = api.get(f"/v1/sessions/{done}/results/{query}")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/csv")
    assert answer.headers["content-disposition"] == f'attachment; filename="{query}.csv"'
    assert answer.text == expected[f"{query}.csv"]


@pytest.mark.parametrize("query", QUERIES)
def test_all_formats_hold_the_same_result(api: httpx.Client, done: str, query: str) -> None:
    path = f"/v1/sessions/{done}/results/{query}"
    answer = {name: api.get(path, headers={"Accept": m}) for name, m in MEDIA_TYPES.items()}
    assert all(a.headers["content-type"].startswith(MEDIA_TYPES[n]) for n, a in answer.items())
    with pa.ipc.open_stream(answer["arrow"].content) as reader:
        table = reader.read_all()
    assert pq.read_table(io.BytesIO(answer["parquet"].content)).equals(table)
    assert to_csv(table) == answer["csv"].content
    assert len(answer["json"].json()) == table.num_rows > 0
    assert list(answer["json"].json()[0]) == table.column_names


@pytest.mark.parametrize(
    ("accept", "found"),
    [
        ("*/*", "text/csv"),
        ("text/*;q=0.5", "text/csv"),
        ("", "text/csv"),
        ("image/png, application/json;q=0.1", "application/json"),
        ("APPLICATION/JSON", "application/json"),
    ],
)
def test_the_first_known_format_is_chosen(
    api: httpx.Client, done: str, accept: str, found: str
) -> None:
    answer = api.get(f"/v1/sessions/{done}/results/query3", headers={"Accept": accept})
    assert answer.headers["content-type"].startswith(found)


def test_other_formats_are_not_acceptable(api: httpx.Client, done: str) -> None:
    path = f"/v1/sessions/{done}/results/query3"
    assert "text/csv" in problem(api.get(path, headers={"Accept": "image/png"}), 406)["detail"]


def test_a_session_shows_what_was_sent_and_what_is_complete(
    api: httpx.Client, done: str, data: Path
) -> None:
    eventually(lambda: api.get(f"/v1/sessions/{done}").json()["released"], "it is released")
    shown = api.get(f"/v1/sessions/{done}").json()
    assert (shown["id"], shown["name"], shown["state"]) == (done, data.name, "completed")
    assert shown["uploaded"]
    assert shown["input_bytes"] > 0
    assert shown["tables"] == {table: {"0": 1} for table in TABLES}
    assert sorted(shown["results"]) == sorted(QUERIES)
    assert shown["heartbeat_seconds"] == 15


def test_events_are_resumed_after_any_of_them(api: httpx.Client, done: str) -> None:
    whole = events_of(api, done)
    events = whole.removeprefix("retry: 1000\n\n").split("\n\n")[:-1]
    assert len(events) == len(QUERIES) + 1
    for number, event in enumerate(events):
        ids = [line[4:] for line in event.split("\n") if line.startswith("id: ")]
        for each in ids:
            rest = events_of(api, done, **{"Last-Event-ID": each})
            assert rest.removeprefix("retry: 1000\n\n").split("\n\n")[:-1] == events[number + 1 :]


def test_fetching_leaves_no_reader(system: Running, api: httpx.Client, done: str) -> None:
    for query in QUERIES:
        assert api.get(f"/v1/sessions/{done}/results/{query}").status_code == 200
    events_of(api, done)
    eventually(lambda: readers_of(system.transport, "out.") == 0, "nobody reads an out journal")


def test_what_is_over_takes_nothing_more(api: httpx.Client, done: str) -> None:
    for answer in (
        put(api, done, "users", 1, encode(USERS)),
        end(api, done, "users", 1),
        api.post(f"/v1/sessions/{done}/heartbeat"),
    ):
        found = problem(answer, 410)
        assert found["state"] == "completed"
        assert found["detail"] == "the session is completed"


def test_cancelling_what_is_over_changes_nothing(api: httpx.Client, done: str) -> None:
    answer = api.post(f"/v1/sessions/{done}/cancel")
    assert (answer.status_code, answer.json()["state"]) == (202, "completed")


# Opening and listing.


def test_opening_twice_with_the_same_wishes_is_one_session(api: httpx.Client) -> None:
    wishes = {"id": new_id(), "plan": "staged", "producers": 2, "partitions": 3}
    first = api.post("/v1/sessions", json=wishes)
    second = api.post("/v1/sessions", json=wishes)
    assert (first.status_code, second.status_code) == (201, 200)
    assert first.json() == second.json()
    assert {key: first.json()[key] for key in wishes} == wishes
    problem(api.post("/v1/sessions", json={**wishes, "plan": "fused"}), 409)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"\xff",
        b'{"id": "no uuid"}',
        b'{"plan": "unknown"}',
        b'{"producers": 0}',
        b'{"producers": 1000000}',
        b'{"partitions": 65}',
        b'{"partitions": "many"}',
        b'{"colour": "red"}',
        b'{"name": "../../etc"}',
        b'{"name": "a\\u0000b"}',
        b'{"name": "' + b"x" * 201 + b'"}',
        b"[" * 60_000,
        b'{"producers": ' + b"9" * 5000 + b"}",
        b'{"name": "\\ud800"}',
    ],
    ids=range(18),
)
def test_wishes_that_make_no_sense_are_a_client_error(api: httpx.Client, body: bytes) -> None:
    answer = api.post("/v1/sessions", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code in (400, 422)
    problem(answer, answer.status_code)


def test_only_json_says_wishes(api: httpx.Client) -> None:
    problem(api.post("/v1/sessions", content=b"{}", headers={"Content-Type": "text/plain"}), 422)


def test_a_list_is_read_page_by_page_newest_first() -> None:
    with running(node=False) as system, http(system) as api:
        made = [opened(api, name=f"n{number}") for number in range(7)]
        found: list[str] = []
        after: dict[str, str] = {}
        while True:
            page = api.get("/v1/sessions", params={"limit": 3, **after}).json()
            assert len(page["sessions"]) <= 3
            found += [each["id"] for each in page["sessions"]]
            if page["next"] is None:
                break
            after = {"after": page["next"]}
            last = page["sessions"][-1]["id"]
            # The page's last session goes meanwhile: nobody is left out, nobody comes twice.
            api.delete(f"/v1/sessions/{last}")
        assert found == made[::-1]
        assert (
            system.client().sessions(limit=2) == api.get("/v1/sessions?limit=2").json()["sessions"]
        )


def test_a_list_can_be_of_one_state(api: httpx.Client, done: str) -> None:
    session = opened(api)
    listed = [
        each["id"] for each in api.get("/v1/sessions?state=open&limit=1000").json()["sessions"]
    ]
    assert session in listed
    assert done not in listed


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=1001", "limit=x", "state=unknown", "after=x", "after=1_2", "after="]
)
def test_a_list_that_makes_no_sense_is_a_client_error(api: httpx.Client, query: str) -> None:
    problem(api.get(f"/v1/sessions?{query}"), 422)


# Batches.


def test_a_batch_may_be_sent_again_and_is_counted_once(
    api: httpx.Client, data: Path, expected: dict[str, str]
) -> None:
    session = opened(api)
    for table in TABLES:
        text = (data / f"{table}.csv").read_bytes()
        for _ in range(3):
            assert put(api, session, table, 0, text, headers=CSV).status_code == 204
        for _ in range(2):
            assert end(api, session, table, 1).status_code in (204, 410)
    assert "event: completed" in events_of(api, session)
    result = api.get(f"/v1/sessions/{session}/results/query3").text
    assert result == expected["query3.csv"]


def test_another_body_under_the_same_number_is_refused(api: httpx.Client) -> None:
    session = opened(api, producers=2)
    assert put(api, session, "users", 0, encode(USERS)).status_code == 204
    found = problem(put(api, session, "users", 0, encode(USERS.slice(1))), 409)
    assert found["detail"] == "another batch was taken with this number"
    for same in (
        put(api, session, "users", 0, encode(USERS)),
        put(api, session, "users", 1, encode(USERS.slice(1))),
        put(api, session, "users", 0, encode(USERS.slice(1)), params={"producer": 1}),
        put(api, session, "stores", 0, encode(STORES)),
    ):
        assert same.status_code == 204
    assert state_of(api, session) == "open"


def test_another_body_at_another_replica_fails_the_session_and_says_why() -> None:
    with running(gateways=2) as system, http(system) as one, http(system, 1) as other:
        session = opened(one)
        assert put(one, session, "users", 0, encode(USERS)).status_code == 204
        assert put(other, session, "users", 0, encode(USERS)).status_code == 204
        assert put(other, session, "users", 1, encode(USERS)).status_code == 204
        assert put(one, session, "users", 1, encode(USERS.slice(1))).status_code == 204
        assert "was sent twice with different content" in events_of(other, session)
        eventually(lambda: state_of(one, session) == "failed", "the session failed")


def test_the_end_of_a_table_is_said_once(api: httpx.Client) -> None:
    session = opened(api)
    assert end(api, session, "users", 2).status_code == 204
    eventually(
        lambda: api.get(f"/v1/sessions/{session}").json()["tables"]["users"], "the end is known"
    )
    assert end(api, session, "users", 2).status_code == 204
    assert problem(end(api, session, "users", 3), 409)["detail"].endswith("ended with 2 batches")
    assert put(api, session, "users", 1, encode(USERS)).status_code == 204
    assert problem(put(api, session, "users", 2, encode(USERS)), 409)
    assert state_of(api, session) == "open"


@pytest.mark.parametrize("body", [b"", b"{}", b'{"batches": -1}', b'{"batches": 1.5}', b"3"])
def test_an_end_that_makes_no_sense_is_a_client_error(api: httpx.Client, body: bytes) -> None:
    path = f"/v1/sessions/{opened(api)}/tables/users/eof"
    problem(api.put(path, content=body, headers={"Content-Type": "application/json"}), 422)


@pytest.mark.parametrize("body", [b"", b"hello", encode(USERS)[:100], encode(STORES)])
def test_what_is_no_batch_of_the_table_is_refused(api: httpx.Client, body: bytes) -> None:
    problem(put(api, opened(api), "users", 0, body), 422)


def test_a_bad_csv_value_is_named(api: httpx.Client) -> None:
    text = b"user_id,birthdate\n1,1990-01-01\n2,1990-13-01\n"
    found = problem(put(api, opened(api), "users", 0, text, headers=CSV), 422)
    assert (found["line"], found["column"], found["value"]) == (3, "birthdate", "1990-13-01")


@pytest.mark.parametrize("media_type", ["application/json", "text/plain", ""])
def test_other_media_types_are_refused(api: httpx.Client, media_type: str) -> None:
    headers = {"Content-Type": media_type}
    problem(put(api, opened(api), "users", 0, encode(USERS), headers=headers), 415)


@pytest.mark.parametrize("media_type", ["TEXT/CSV", "text/csv; charset=utf-8"])
def test_media_types_are_compared_as_the_standard_says(api: httpx.Client, media_type: str) -> None:
    text = b"user_id,birthdate\n"
    headers = {"Content-Type": media_type}
    assert put(api, opened(api), "users", 0, text, headers=headers).status_code == 204


def test_a_body_that_is_too_large_is_refused(api: httpx.Client) -> None:
    session = opened(api)
    problem(put(api, session, "users", 0, b"x" * (MAX_BODY + 1)), 413)
    pieces = (b"x" * (1 << 20) for _ in range(6))
    problem(put(api, session, "users", 0, pieces), 413)  # type: ignore[arg-type]


def test_a_body_of_unknown_length_is_taken(api: httpx.Client) -> None:
    body = encode(USERS)
    pieces = (body[at : at + 50] for at in range(0, len(body), 50))
    assert put(api, opened(api), "users", 0, pieces).status_code == 204  # type: ignore[arg-type]


@pytest.mark.parametrize("path", ["/v1/sessions", "/v1/sessions/x/cancel", "/v1/nodes", "/nowhere"])
def test_no_other_body_may_be_large(api: httpx.Client, path: str) -> None:
    problem(api.post(path, content=b"x" * (MAX_JSON + 1)), 413)
    pieces = (b" " * 10_000 for _ in range(8))
    problem(api.post(path, content=pieces), 413)


@pytest.mark.parametrize(("producer", "status"), [(2, 409), (9_999, 409), (10_000, 422), (-1, 422)])
def test_only_announced_producers_send(api: httpx.Client, producer: int, status: int) -> None:
    session = opened(api, producers=2)
    how = {"producer": producer}
    problem(put(api, session, "users", 0, encode(USERS), params=how), status)
    problem(end(api, session, "users", 0, **how), status)


# What is being opened.


def half_opened(system: Running) -> SessionSpec:
    """A session whose gateway crashed after its first record."""
    spec = SessionSpec(new_id())
    chronicle = system.gateways[0].sessions.chronicle
    chronicle.say("opened", spec.id, spec=asdict(spec), name="").result(PATIENCE)
    assert chronicle.wait_until(spec.id, lambda known: known is not None, PATIENCE)
    return spec


def test_a_session_that_is_being_opened_asks_to_come_back(
    system: Running, api: httpx.Client
) -> None:
    session = half_opened(system).id
    for answer in (
        put(api, session, "users", 0, encode(USERS)),
        end(api, session, "users", 0),
        api.get(f"/v1/sessions/{session}/events"),
    ):
        problem(answer, 503)
        assert answer.headers["retry-after"] == "1"
    assert api.post(f"/v1/sessions/{session}/heartbeat").status_code == 204
    answer = api.post("/v1/sessions", json={"id": session})
    assert answer.status_code == 201
    assert put(api, session, "users", 0, encode(USERS)).status_code == 204


def test_a_session_that_is_being_opened_can_be_cancelled(
    system: Running, api: httpx.Client
) -> None:
    session = half_opened(system).id
    assert api.post(f"/v1/sessions/{session}/cancel").status_code == 202
    eventually(lambda: state_of(api, session) == "cancelled", "the session is cancelled")
    assert "event: cancelled" in events_of(api, session)


def test_a_batch_for_journals_that_are_gone_is_too_late(system: Running, api: httpx.Client) -> None:
    session = opened(api)
    for name in system.left():
        if session in name and name.startswith("in."):
            system.transport.delete_journal(name)
    problem(put(api, session, "transactions", 0, encode(TRANSACTIONS[0])), 410)


def test_a_replica_remembers_so_many_batches_only(
    monkeypatch: pytest.MonkeyPatch, api: httpx.Client
) -> None:
    monkeypatch.setattr(state, "REMEMBERED", 2)
    session = opened(api)
    for number in range(4):
        assert put(api, session, "users", number, encode(USERS)).status_code == 204
    problem(put(api, session, "users", 3, encode(USERS.slice(1))), 409)
    # The first is forgotten here, but not by the task that gets it.
    assert put(api, session, "users", 0, encode(USERS.slice(1))).status_code == 204
    assert "was sent twice with different content" in events_of(api, session)


# What does not exist.


@pytest.mark.usefixtures("short")
@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", ""),
        ("DELETE", ""),
        ("POST", "/cancel"),
        ("POST", "/heartbeat"),
        ("GET", "/events"),
        ("GET", "/results/query1"),
        ("PUT", "/tables/users/batches/0"),
    ],
)
def test_an_unknown_session_is_not_found(api: httpx.Client, method: str, path: str) -> None:
    problem(api.request(method, f"/v1/sessions/{new_id()}{path}"), 404)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/nowhere", 404),
        ("GET", "/v1", 404),
        ("GET", "/v1/sessions/no-uuid", 422),
        ("GET", "/v1/sessions/..%2f..%2fetc%2fpasswd", 404),
        ("GET", "/v1/sessions/%00", 422),
        ("GET", "/v1/sessions/%ff", 422),
        ("GET", "/v1/sessions/{id}/results/query9", 422),
        ("GET", "/v1/sessions/{id}/results/..%2f..%2fevents", 404),
        ("GET", "/v1/sessions/{id}/results/%2e%2e", 422),
        ("PUT", "/v1/sessions/{id}/tables/nobody/batches/0", 422),
        ("PUT", "/v1/sessions/{id}/tables/..%2fusers/batches/0", 404),
        ("PUT", "/v1/sessions/{id}/tables/users/batches/-1", 422),
        ("PUT", "/v1/sessions/{id}/tables/users/batches/1.5", 422),
        ("PUT", "/v1/sessions/{id}/tables/users/batches/" + "9" * 5000, 422),
        ("PUT", "/v1/sessions/{id}/tables/users/batches/1099511627776", 422),
        ("PUT", "/v1/sessions/{id}/tables/users/batches/%D9%A3%00", 422),
        ("PATCH", "/v1/sessions", 405),
        ("POST", "/v1/nodes", 405),
        ("DELETE", "/v1/sessions", 405),
        ("HEAD", "/v1/nodes", 405),
        ("OPTIONS", "/v1/sessions", 405),
        ("TRACE", "/healthz", 405),
    ],
)
def test_paths_that_make_no_sense_are_client_errors(
    api: httpx.Client, method: str, path: str, status: int
) -> None:
    answer = api.request(method, path.replace("{id}", opened(api)))
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    if status == 405:
        assert answer.headers["allow"]


@pytest.mark.parametrize("value", ["x", "-2", "1.5", "9" * 5000])
def test_an_event_id_that_makes_no_sense_is_a_client_error(
    api: httpx.Client, done: str, value: str
) -> None:
    answer = api.get(f"/v1/sessions/{done}/events", headers={"Last-Event-ID": value})
    problem(answer, 422)


def test_a_result_that_is_not_there_yet_is_a_conflict_to_come_back_for(api: httpx.Client) -> None:
    answer = api.get(f"/v1/sessions/{opened(api)}/results/query1")
    problem(answer, 409)
    assert answer.headers["retry-after"] == "1"


# Ends.


def test_a_cancelled_session_tells_everybody(api: httpx.Client) -> None:
    session = opened(api)
    assert api.post(f"/v1/sessions/{session}/cancel").status_code == 202
    assert 'data: {"reason": "cancelled by its client"}' in events_of(api, session)
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
        listening(system, session)
        api.delete(f"/v1/sessions/{session}")
        assert 'event: cancelled\ndata: {"reason": "deleted"}' in heard.result(PATIENCE)


def listening(system: Running, session: str) -> None:
    """Wait until somebody besides the gateway's own watch reads the out journal."""
    eventually(lambda: readers_of(system.transport, out_journal(session)) > 1, "somebody listens")


def test_a_listener_who_goes_away_is_let_go(system: Running, api: httpx.Client) -> None:
    session = opened(api)
    with api.stream("GET", f"/v1/sessions/{session}/events") as stream:
        lines = stream.iter_lines()  # kept, since the connection ends with it
        assert next(lines) == "retry: 1000"
        listening(system, session)
    eventually(
        lambda: readers_of(system.transport, out_journal(session)) == 1, "nobody listens any more"
    )


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
    eventually(lambda: readers_of(system.transport, out_journal(session)) == 4, "they listen")
    for client in deaf:
        client.close()
    eventually(lambda: readers_of(system.transport, out_journal(session)) == 1, "they are let go")


def test_a_silent_client_is_given_up_and_a_heartbeat_helps() -> None:
    lifetimes = Lifetimes(client_timeout=0.6, result_ttl=0.2)
    with running(node=False, lifetimes=lifetimes) as system, http(system) as api:
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


# Limits.


def test_too_much_at_once_is_refused_for_now() -> None:
    limits = Limits(in_memory=2700, session_window=1600, open_sessions=3)
    with running(node=False, limits=limits) as system, http(system) as api:
        first, second, third = (opened(api) for _ in range(3))
        with Stuck(system, first, 1500), Stuck(system, second, 1000):
            answer = put(api, first, "users", 0, encode(USERS))
            problem(answer, 429)
            assert answer.headers["retry-after"] == "1"
            answer = put(api, third, "users", 0, encode(USERS))
            problem(answer, 503)
            assert answer.headers["retry-after"] == "1"
            assert api.get("/v1/status").json()["bytes_in_memory"] == 2500
        eventually(lambda: api.get("/v1/status").json()["bytes_in_memory"] == 0, "room is made")
        assert put(api, first, "users", 0, encode(USERS)).status_code == 204
        answer = api.post("/v1/sessions")
        problem(answer, 422)
        answer = api.post("/v1/sessions", json={})
        assert problem(answer, 503)["detail"] == "3 sessions are open"
        assert answer.headers["retry-after"] == "1"
        assert api.get("/v1/status").json()["requests_refused_total"] == 3


class Stuck:
    """A client that announces a body and does not send it."""

    def __init__(self, system: Running, session: str, size: int) -> None:
        self._system = system
        self._size = size
        self._text = (
            f"PUT /v1/sessions/{session}/tables/users/batches/9 HTTP/1.1\r\nHost: localhost\r\n"
            f"Content-Type: text/csv\r\nContent-Length: {size}\r\n\r\n"
        )

    def __enter__(self) -> None:
        admission = self._system.gateways[0].gateway.admission
        before = admission.in_memory
        self._socket = socket.create_connection(("127.0.0.1", self._system.gateways[0].port))
        self._socket.sendall(self._text.encode())
        eventually(lambda: admission.in_memory == before + self._size, "it is waited for")

    def __exit__(self, *_: object) -> None:
        self._socket.close()


def test_a_client_waits_until_there_is_room(data: Path, expected: dict[str, str]) -> None:
    limits = Limits(in_memory=1000, session_window=800)
    with running(limits=limits) as system:
        _, tables, _ = analyse(system.client(), open_folder(data), SessionSpec(new_id()))
        assert texts(tables) == expected


def test_empty_bodies_at_once_are_client_errors(api: httpx.Client) -> None:
    session = opened(api)
    with ThreadPoolExecutor(8) as pool:
        found = pool.map(lambda n: put(api, session, "users", n, b"").status_code, range(40))
    assert set(found) == {422}


# Operation.


def test_health_readiness_figures_and_nodes(system: Running, api: httpx.Client) -> None:
    assert api.get("/healthz").json() == {"status": "ok"}
    assert api.get("/readyz").json() == {"status": "ready"}
    eventually(lambda: api.get("/v1/nodes").json()["nodes"], "a node is listed")
    (node,) = api.get("/v1/nodes").json()["nodes"]
    assert node["types"] == ["worker"]
    status = api.get("/v1/status").json()
    assert status["nodes"] == 1
    assert status["gateway"] == system.gateways[0].sessions.name
    metrics = api.get("/metrics")
    assert metrics.headers["content-type"].startswith("text/plain")
    for name in ("sessions_by_state{", "journal_bytes ", "requests_refused_total{", "threads "):
        assert f"\ncoffeeshop_{name}" in metrics.text


def test_a_gateway_that_is_not_ready_says_so() -> None:
    with running(node=False, ready=lambda: False) as system, http(system) as api:
        answer = api.get("/readyz")
        problem(answer, 503)
        assert answer.headers["retry-after"] == "1"
        assert api.get("/healthz").status_code == 200
        assert not system.client().ready()


def test_the_api_describes_itself(api: httpx.Client) -> None:
    document = api.get("/openapi.json").json()
    assert document["openapi"].startswith("3.1")
    names = [
        (path, method, operation)
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
    ]
    assert {(path, method) for path, method, _ in names} == {
        ("/v1/sessions", "post"),
        ("/v1/sessions", "get"),
        ("/v1/sessions/{session}", "get"),
        ("/v1/sessions/{session}", "delete"),
        ("/v1/sessions/{session}/heartbeat", "post"),
        ("/v1/sessions/{session}/cancel", "post"),
        ("/v1/sessions/{session}/events", "get"),
        ("/v1/sessions/{session}/results/{query}", "get"),
        ("/v1/sessions/{session}/tables/{table}/batches/{number}", "put"),
        ("/v1/sessions/{session}/tables/{table}/eof", "put"),
        ("/v1/leftovers", "get"),
        ("/v1/nodes", "get"),
        ("/v1/status", "get"),
        ("/healthz", "get"),
        ("/readyz", "get"),
        ("/metrics", "get"),
    }
    ids = [operation["operationId"] for _, _, operation in names]
    assert len(set(ids)) == len(ids)
    for path, _, operation in names:
        declared = {p["name"] for p in operation.get("parameters", []) if p["in"] == "path"}
        assert declared == {part[1:-1] for part in path.split("/") if part.startswith("{")}
        assert "application/problem+json" in operation["responses"]["4XX"]["content"]
        assert operation["summary"]
    for reference in references(document):
        found: Any = document
        for part in reference.removeprefix("#/").split("/"):
            found = found[part]
    body = document["paths"]["/v1/sessions/{session}/tables/{table}/batches/{number}"]["put"]
    assert set(body["requestBody"]["content"]) == {MEDIA_TYPES["arrow"], MEDIA_TYPES["csv"]}


def references(document: Any) -> Iterator[str]:
    if isinstance(document, dict):
        for key, value in document.items():
            if key == "$ref":
                yield value
            else:
                yield from references(value)
    elif isinstance(document, list):
        for value in document:
            yield from references(value)


def test_a_bug_is_a_problem_document_too(
    monkeypatch: pytest.MonkeyPatch, system: Running, api: httpx.Client
) -> None:
    def broken() -> list[dict[str, Any]]:
        raise ZeroDivisionError("the secret is 42")

    monkeypatch.setattr(system.gateways[0].nodes, "all", broken)
    found = problem(api.get("/v1/nodes"), 500)
    assert "42" not in json.dumps(found)


def test_a_shutdown_is_prompt_though_somebody_listens() -> None:
    with running(node=False) as system, http(system) as api:
        session = opened(api)
        with ThreadPoolExecutor(1) as pool:
            heard = pool.submit(events_of, api, session)
            listening(system, session)
            began = time.monotonic()
            system.gateways[0].close()
            assert time.monotonic() - began < 2.0
            assert heard.result(PATIENCE) == "retry: 1000\n\n"
        assert readers_of(system.transport, "") == 0


def test_a_taken_port_is_an_error_at_once(system: Running) -> None:
    from coffeeshop.client.part import csv_batch
    from coffeeshop.gateway.server import GatewayServer

    with pytest.raises(OSError, match="in use"):
        GatewayServer(system.transport, "127.0.0.1", system.gateways[0].port, csv_batch)


# The client over the API.


def test_each_of_many_clients_at_once_gets_its_own_answers(tmp_path: Path) -> None:
    folders = [tmp_path / f"shop{number}" for number in range(20)]
    for seed, folder in enumerate(folders):
        generate(folder, transactions=200 + seed, seed=seed, layout="flat")
    wanted = [answers(folder) for folder in folders]
    assert len({json.dumps(each) for each in wanted}) == len(folders)
    with running(gateways=2) as system:

        def client(number: int) -> dict[str, str]:
            spec = SessionSpec(new_id(), list(PLANS)[number % 2])
            return texts(
                analyse(system.client(number // 2 % 2), open_folder(folders[number]), spec)[1]
            )

        with ThreadPoolExecutor(len(folders)) as pool:
            assert list(pool.map(client, range(len(folders)))) == wanted
        # Once more, without restarting anything.
        assert client(3) == wanted[3]


@pytest.mark.parametrize("producers", [2, 3])
@pytest.mark.parametrize("plan", PLANS)
def test_several_clients_feed_one_session(
    data: Path, expected: dict[str, str], plan: str, producers: int
) -> None:
    with running(gateways=2) as system:
        spec = SessionSpec(new_id(), plan, producers)

        def client(number: int) -> dict[str, str]:
            own = system.client(number % 2)
            return texts(analyse(own, open_folder(data), spec, producer=number)[1])

        with ThreadPoolExecutor(producers) as pool:
            assert list(pool.map(client, range(producers))) == [expected] * producers


class Watched(GatewayClient):
    """A client that is disturbed at its n-th batch."""

    def __init__(self, url: str, at: int, disturb: Callable[[str], None]) -> None:
        super().__init__(url, patience=PATIENCE)
        self._at = at
        self._disturb = disturb

    def put_batch(self, session: str, *batch: Any) -> None:
        self._at -= 1
        if self._at == 0:
            self._disturb(session)
        super().put_batch(session, *batch)


def disturbed(
    system: Running, folder: Path, disturb: Callable[[str], None], at: int = 2, **how: Any
) -> Any:
    client = Watched(system.url, at, disturb)
    try:
        return analyse(client, open_folder(folder), SessionSpec(new_id()), **how)
    finally:
        client.close()


def test_a_session_cancelled_while_it_is_sent_says_so(
    system: Running, api: httpx.Client, data: Path
) -> None:
    def cancel(session: str) -> None:
        api.post(f"/v1/sessions/{session}/cancel")
        eventually(lambda: state_of(api, session) == "cancelled", "the session is cancelled")

    with pytest.raises(Cancelled, match="cancelled by its client") as error:
        disturbed(system, data, cancel)
    assert error.value.exit_code == 6


def test_a_session_that_fails_while_it_is_sent_says_why(
    system: Running, api: httpx.Client, data: Path
) -> None:
    def spoil(session: str) -> None:
        gateway = system.gateways[0].sessions
        gateway.ingest(SessionSpec(session)).batch("menu_items", "0", 5, b"x").result(PATIENCE)
        gateway.ingest(SessionSpec(session)).end("menu_items", "0", 1).result(PATIENCE)
        eventually(lambda: state_of(api, session) == "failed", "the session failed")

    with pytest.raises(SessionFailed, match="menu_items"):
        disturbed(system, data, spoil)


def ended_as(api: httpx.Client, sessions: list[str], wanted: str) -> None:
    (session,) = sessions
    eventually(lambda: state_of(api, session) == wanted, f"the session is {wanted}")


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, ZeroDivisionError])
def test_who_leaves_in_the_middle_cancels(
    system: Running, api: httpx.Client, data: Path, error: type[BaseException]
) -> None:
    seen: list[str] = []

    def leave(table: str, rows: int, size: int) -> None:
        raise error

    with pytest.raises(error):
        disturbed(system, data, seen.append, at=1, on_progress=leave)
    if seen:  # the first batch may not have been on its way yet
        ended_as(api, seen, "cancelled")


def test_who_leaves_may_let_the_session_go_on(
    system: Running, api: httpx.Client, data: Path
) -> None:
    asked: list[str] = []

    def leave(table: str, rows: int, size: int) -> None:
        raise KeyboardInterrupt

    def keep(session: str) -> bool:
        asked.append(session)
        return True

    with pytest.raises(KeyboardInterrupt):
        disturbed(system, data, lambda session: None, on_progress=leave, keep_on_interrupt=keep)
    assert state_of(api, asked[0]) == "open"
    api.delete(f"/v1/sessions/{asked[0]}")


def test_bad_data_cancels_the_session(system: Running, api: httpx.Client, tmp_path: Path) -> None:
    generate(tmp_path / "x", transactions=50, seed=1, layout="flat")
    file = tmp_path / "x" / "transactions.csv"
    file.write_text(file.read_text().rstrip("\n") + "\nbroken\n")
    seen: list[str] = []
    with pytest.raises(BadData):
        disturbed(system, tmp_path / "x", seen.append, at=1)
    ended_as(api, seen, "cancelled")


def test_an_analysis_that_takes_too_long_is_cancelled(data: Path) -> None:
    with running(node=False) as system, http(system) as api:
        seen: list[str] = []
        with pytest.raises(SessionTimeout):
            disturbed(system, data, seen.append, at=1, timeout=1.0)
        ended_as(api, seen, "cancelled")


def test_a_detached_client_leaves_the_session_to_itself(
    system: Running, api: httpx.Client, data: Path, expected: dict[str, str]
) -> None:
    spec = SessionSpec(new_id())
    uploaded, tables, _ = analyse(system.client(), open_folder(data), spec, wait=False)
    assert uploaded.rows["transactions"] == 2_000
    assert tables == {} or texts(tables) == expected
    eventually(lambda: state_of(api, spec.id) == "completed", "the session is completed")


def test_joining_with_other_wishes_is_refused(system: Running, data: Path) -> None:
    spec = SessionSpec(new_id())
    system.client().open(spec)
    with pytest.raises(ProtocolError, match="other wishes"):
        analyse(system.client(), open_folder(data), SessionSpec(spec.id, "staged"))


def test_a_folder_of_any_name_can_be_sent(
    system: Running, data: Path, tmp_path: Path, expected: dict[str, str]
) -> None:
    folder = tmp_path / "a\\b\tc é [red]"
    folder.symlink_to(data)
    named = tmp_path / ("x" * 250)
    data_copy = named
    data_copy.mkdir()
    for file in data.iterdir():
        (data_copy / file.name).write_bytes(file.read_bytes())
    for each in (folder, named):
        _, tables, _ = analyse(system.client(), open_folder(each), SessionSpec(new_id()))
        assert texts(tables) == expected


def test_after_everything_only_control_objects_are_left(data: Path) -> None:
    lifetimes = Lifetimes(result_ttl=0.1)
    with running(gateways=2, lifetimes=lifetimes) as system, http(system) as api:
        for plan in PLANS:
            spec = SessionSpec(new_id(), plan)
            analyse(system.client(), open_folder(data), spec, wait=False)
        cancelled = opened(api)
        api.post(f"/v1/sessions/{cancelled}/cancel")
        eventually(lambda: system.left() == [], "nothing is left")
        eventually(
            lambda: readers_of(system.transport, "") == 2 * 2, "the gateways read what is theirs"
        )
