"""Sessions over the gateway's API: their way, opening, listing, and what is no session."""

from __future__ import annotations

import io
from pathlib import Path

import httpx2 as httpx
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from coffeeshop.codec import encode
from coffeeshop.formats import MEDIA_TYPES, to_csv
from coffeeshop.schema import TABLES
from tests.acceptance.http.requests import (
    QUERIES,
    end,
    events_of,
    opened,
    problem,
    put,
    state_of,
    uploaded,
)
from tests.running import Running, eventually, http, new_id, readers_of, running
from tests.unit.helpers import USERS

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


def test_opening_twice_with_the_same_parameters_is_one_session(api: httpx.Client) -> None:
    parameters = {"id": new_id(), "plan": "staged", "producers": 2, "partitions": 3}
    first = api.post("/v1/sessions", json=parameters)
    second = api.post("/v1/sessions", json=parameters)
    assert (first.status_code, second.status_code) == (201, 200)
    assert first.json() == second.json()
    assert {key: first.json()[key] for key in parameters} == parameters
    problem(api.post("/v1/sessions", json={**parameters, "plan": "fused"}), 409)


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
def test_invalid_parameters_are_a_client_error(api: httpx.Client, body: bytes) -> None:
    answer = api.post("/v1/sessions", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code in (400, 422)
    problem(answer, answer.status_code)


def test_only_json_gives_parameters(api: httpx.Client) -> None:
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
        ("GET", "/v1/sessions/{id}/results/query9", 404),
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
