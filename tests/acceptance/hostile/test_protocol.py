"""Numbers, ids and counts that contradict each other or mean nothing."""

from __future__ import annotations

import httpx2 as httpx
import pyarrow as pa
import pytest

from coffeeshop.codec import encode
from coffeeshop.schema import TABLES
from tests.acceptance.hostile.refusals import ARROW, refused
from tests.running import Running, eventually, new_id
from tests.unit.helpers import MENU, USERS


def test_a_page_beyond_the_end_is_empty(api: httpx.Client) -> None:
    for after in ("0_" + new_id(), "1e-999_" + new_id()):
        assert api.get("/v1/sessions", params={"after": after}).json()["sessions"] == []
    far = api.get("/v1/sessions", params={"after": "1e999_" + new_id()})
    assert far.status_code == 200


@pytest.mark.parametrize("value", ["-2", "x", str(1 << 63), "9" * 400, "1.5"])
def test_an_event_id_that_is_none(api: httpx.Client, session: str, value: str) -> None:
    headers = {"Last-Event-ID": value}
    refused(api.get(f"/v1/sessions/{session}/events", headers=headers), 400, 422)


@pytest.mark.parametrize(
    ("table", "number", "producer"),
    [
        ("users", "-1", "0"),
        ("users", "9" * 30, "0"),
        ("users", "x", "0"),
        ("users", "0", "-1"),
        ("users", "0", "10000"),
        ("users", "0", "1"),
        ("nothing", "0", "0"),
        ("%2e%2e", "0", "0"),
    ],
)
def test_numbers_and_tables_that_there_are_not(
    api: httpx.Client, session: str, table: str, number: str, producer: str
) -> None:
    path = f"/v1/sessions/{session}/tables/{table}/batches/{number}?producer={producer}"
    refused(api.put(path, content=encode(USERS), headers={"Content-Type": ARROW}), 404, 409, 422)


# The end-of-stream protocol.


def fed(api: httpx.Client, session: str, table: str, number: int, made: pa.RecordBatch) -> int:
    path = f"/v1/sessions/{session}/tables/{table}/batches/{number}"
    answer = api.put(path, content=encode(made), headers={"Content-Type": ARROW})
    return answer.status_code


def ended(api: httpx.Client, session: str, table: str, batches: int) -> int:
    path = f"/v1/sessions/{session}/tables/{table}/eof"
    return api.put(path, json={"batches": batches}).status_code


def test_counts_that_contradict_what_was_sent_or_said(api: httpx.Client) -> None:
    session = api.post("/v1/sessions", json={}).json()["id"]
    assert fed(api, session, "menu_items", 0, MENU) == 204
    assert fed(api, session, "menu_items", 0, MENU) == 204
    assert fed(api, session, "menu_items", 0, MENU.slice(1)) == 409  # another body, the same number
    assert ended(api, session, "menu_items", 2) == 204
    assert ended(api, session, "menu_items", 2) == 204
    for other in (0, 1, 3):
        assert ended(api, session, "menu_items", other) == 409
    assert fed(api, session, "menu_items", 2, MENU) == 409
    assert fed(api, session, "menu_items", 1 << 39, MENU) == 409
    assert fed(api, session, "menu_items", 1, MENU.slice(1)) == 204


def test_a_count_that_is_smaller_than_what_was_sent_ends_in_one_failure(api: httpx.Client) -> None:
    session = api.post("/v1/sessions", json={}).json()["id"]
    for number in (0, 1, 2):
        assert fed(api, session, "menu_items", number, MENU) == 204
    assert ended(api, session, "menu_items", 1) == 204
    events = api.get(f"/v1/sessions/{session}/events").text
    assert events.count("event: failed") == 1
    assert "event: completed" not in events
    assert "menu_items" in events


def test_a_gap_in_the_numbers_is_waited_for_and_never_answered_without(api: httpx.Client) -> None:
    session = api.post("/v1/sessions", json={}).json()["id"]
    for table in TABLES:
        assert ended(api, session, table, 2 if table == "menu_items" else 0) == 204
    assert fed(api, session, "menu_items", 1, MENU) == 204  # 0 is missing
    assert api.get(f"/v1/sessions/{session}").json()["state"] == "open"
    answer = api.get(f"/v1/sessions/{session}/results/query2_best_selling")
    assert answer.status_code == 409
    assert fed(api, session, "menu_items", 0, MENU.slice(0, 0)) == 204
    events = api.get(f"/v1/sessions/{session}/events").text
    assert events.count("event: completed") == 1


def test_an_end_that_is_said_again_is_not_stored_again(system: Running, api: httpx.Client) -> None:
    session = api.post("/v1/sessions", json={}).json()["id"]

    inputs = f"in.{session}."

    def stored() -> int:
        with system.transport.lock:
            journals = system.transport.journals.items()
            return sum(len(each.entries) for name, each in journals if name.startswith(inputs))

    assert ended(api, session, "menu_items", 0) == 204
    eventually(lambda: gateway_knows(api, session), "the gateway has heard its own word")
    before = stored()
    assert before > 0
    for _ in range(5):
        assert ended(api, session, "menu_items", 0) == 204
    assert stored() == before


def gateway_knows(api: httpx.Client, session: str) -> bool:
    return bool(api.get(f"/v1/sessions/{session}").json()["tables"]["menu_items"])
