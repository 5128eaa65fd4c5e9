"""Rows that clients leave out: how a session knows of them, whoever sent it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

import coffeeshop
from coffeeshop.client.gateway import GatewayClient
from coffeeshop.client.left_out import LeftOut
from coffeeshop.errors import UsageError
from coffeeshop.generate import generate
from coffeeshop.pipeline.messages import SessionSpec
from coffeeshop.sessions.events import SessionEvent
from coffeeshop.sessions.lifecycle import Session, evolve
from tests.running import Running, new_id, running
from tests.running import http as plain


@pytest.fixture(scope="module")
def system() -> Iterator[Running]:
    with running() as made:
        yield made


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("left") / "shop"
    generate(made, transactions=300, seed=5, layout="flat")
    rows = (made / "transactions.csv").read_text().split("\n")
    for place in range(20, 32):
        rows[place] = rows[place].replace(",", ",x", 1)
    (made / "transactions.csv").write_text("\n".join(rows))
    return made


def test_a_session_knows_how_many_rows_its_client_left_out_and_the_first_of_them(
    system: Running, folder: Path
) -> None:
    with coffeeshop.Client(system.url) as client:
        session = client.submit(folder, skip_bad_rows=True, wait=False)
        session.result(60)
        known = session.info()
    assert known["left_out"] == {"transactions": {"rows": 12, "of": 300}}
    assert [row["line"] for row in known["left_out_rows"]] == list(range(21, 31))
    assert known["left_out_rows"][0]["file"] == "transactions.csv"
    assert known["left_out_rows"][0]["column"] == "store_id"
    assert known["bad_rows"] == []


def test_a_part_of_a_file_is_taken_without_its_bad_rows_where_the_client_says_so(
    system: Running, folder: Path
) -> None:
    spec = SessionSpec(new_id())
    system.client().open(spec)
    body = (folder / "transactions.csv").read_bytes()
    files = [{"path": "transactions.csv", "size": len(body)}]
    path = f"/v1/sessions/{spec.id}/tables/transactions/files"
    with plain(system) as api:
        found = api.post("/v1/folder", json={"files": files}).json()["tables"]["transactions"]
        query = {"path": "transactions.csv", "size": len(body), "batch": 0}
        query["step"] = found[0]["step"]["text"]
        refused = api.put(path, params=query, content=body)
        assert refused.status_code == 422
        answer = api.put(path, params={**query, "skip_bad_rows": True}, content=body)
        assert answer.json()["rows"] == 288
        assert answer.json()["left_out"] == 12
        assert [row["line"] for row in answer.json()["bad_rows"]] == list(range(21, 31))
        assert answer.json()["bad_rows"] == refused.json()["bad_rows"]


def test_the_files_of_checks_are_wanted_where_a_folder_is_looked_at_for_them(
    system: Running,
) -> None:
    question = {"name": "mine", "sql": "select count(*) as n from transactions"}
    with plain(system) as api:
        file = {"path": "transactions.csv", "size": 1000}
        asked = {"files": [file], "questions": [question]}
        few = api.post("/v1/folder", json=asked).json()["problems"]
        more = api.post("/v1/folder", json={**asked, "quality": True}).json()["problems"]
    assert few == []
    assert "transaction_items" in more[0]["reason"]


def ended(table: str, producer: int, rows: int, first: int) -> SessionEvent:
    told = {"rows": rows, "of": 100, "first": [{"line": n} for n in range(first, first + rows)]}
    fields = {"table": table, "producer": producer, "batches": 1, "left_out": told}
    return SessionEvent("table_ended", "s", "g", 1.0, fields)


def test_a_snapshot_has_what_was_left_out_and_a_repeat_counts_nothing_twice() -> None:
    session = Session(SessionSpec("s", producers=2), "g", 0.0)
    for event in (ended("users", 0, 4, 1), ended("users", 1, 8, 11), ended("users", 0, 4, 1)):
        session = evolve(session, SessionEvent.of(event.message()), 0.0)
    assert session.left_out == {("users", "0"): (4, 100), ("users", "1"): (8, 100)}
    assert [row["line"] for row in session.left_out_rows] == [1, 2, 3, 4, *range(11, 17)]
    fields = json.loads(json.dumps(session.to_snapshot()))
    snapshot = SessionEvent.of(SessionEvent("snapshot", "s", "g", 2.0, fields).message())
    fresh = evolve(Session(session.spec, "g", 0.0), snapshot, 0.0)
    assert fresh.left_out == session.left_out
    assert list(fresh.left_out_rows) == list(session.left_out_rows)


def test_a_gateway_that_does_not_know_the_word_is_told_without_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    client = GatewayClient("http://127.0.0.1:1")
    told = []

    def request(method: str, path: str, **how: object) -> None:
        told.append(how["json"])
        if "left_out" in str(how["json"]):
            raise UsageError("extra inputs are not permitted")

    monkeypatch.setattr(client, "_request", request)
    client.end_table("s", "users", "0", 3, None, LeftOut(1, 2, ()))
    client.close()
    left_out = {"rows": 1, "of": 2, "first": []}
    assert told == [{"batches": 3, "left_out": left_out}, {"batches": 3}]


def test_what_is_left_out_is_said_with_its_share(folder: Path, tmp_path: Path) -> None:
    other = tmp_path / "copy"
    shutil.copytree(folder, other)
    with coffeeshop.Client("memory:") as client:
        found = client.submit(other, skip_bad_rows=True)
    assert len(found.rejected) == 12
