"""A folder's names and its files by ranges over the gateway's API, and bodies of other kinds."""

from __future__ import annotations

import gzip
import io
from pathlib import Path
from typing import Any

import httpx2 as httpx
import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq
import pytest

from coffeeshop.reading import ranges
from coffeeshop.reading.folder import open_folder
from coffeeshop.schema import TABLES
from tests.acceptance.http.requests import CSV, end, events_of, opened, problem, put, state_of
from tests.paging import described, sent, steps
from tests.running import http, running

PARQUET = {"Content-Type": "application/vnd.apache.parquet"}


def put_file(
    api: httpx.Client, session: str, content: bytes, table: str = "stores", **changed: Any
) -> httpx.Response:
    """The whole of a small file in one step."""
    size = len(content)
    query = {
        "path": "stores.csv",
        "size": size,
        "step": ranges.Step(((0, size),)).text(),
        "batch": 0,
    }
    path = f"/v1/sessions/{session}/tables/{table}/files"
    return api.put(path, params=query | changed, content=content)


STORES = b"store_id,store_name\n1,North\n"


def parquet(text: bytes, **how: Any) -> bytes:
    out = io.BytesIO()
    pq.write_table(pacsv.read_csv(io.BytesIO(text)), out, **how)
    return out.getvalue()


def test_a_folder_is_described_as_the_command_reads_it(api: httpx.Client, data: Path) -> None:
    found = described(api, data)
    assert found["name"] == data.name
    assert (found["problems"], found["warnings"]) == ([], [])
    for table, files in open_folder(data).files.items():
        paths = [data.parent / each["path"] for each in found["tables"][table]]
        assert paths == list(files)
        assert [each["size"] for each in found["tables"][table]] == [
            f.stat().st_size for f in files
        ]


def test_problems_and_warnings_name_the_paths_as_they_were_chosen(api: httpx.Client) -> None:
    names = ["s/users.csv", "s/users/a.csv", "s/stores/x.zip", "s/notes.md"]
    found = api.post("/v1/folder", json={"files": [{"path": n, "size": 9} for n in names]}).json()
    assert {each["path"] for each in found["problems"]} == {"s/users/a.csv", "s/stores/x.zip", ""}
    assert found["warnings"] == ["not read, as no table has that name: notes.md"]


@pytest.mark.parametrize("suffix", ["", ".gz", ".parquet"])
def test_files_by_ranges_give_the_answers(
    api: httpx.Client,
    data: Path,
    expected: dict[str, str],
    tmp_path: Path,
    suffix: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(ranges, "RANGE", 100_000)
    monkeypatch.setattr(ranges, "WHOLE", 1_000)
    folder = tmp_path / "shop"
    for file in data.iterdir():
        content = file.read_bytes()
        if suffix == ".gz":
            content = gzip.compress(content[:500]) + gzip.compress(content[500:])
        elif suffix:
            content = parquet(content, row_group_size=500)
        folder.mkdir(exist_ok=True)
        name = f"{file.stem}{suffix}" if suffix == ".parquet" else f"{file.name}{suffix}"
        (folder / name).write_bytes(content)
    session = opened(api)
    rows, warnings = sent(api, session, folder)
    assert not warnings
    assert rows["transactions"] == 2_000
    assert "event: completed" in events_of(api, session)
    for query in ("query1", "query3"):
        assert api.get(f"/v1/sessions/{session}/results/{query}").text == expected[f"{query}.csv"]


def test_a_part_may_be_sent_again_also_to_another_replica(
    data: Path, expected: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ranges, "RANGE", 100_000)
    with running(gateways=2) as system, http(system) as one, http(system, 1) as other:
        session = opened(one)
        plan = described(one, data)
        for table in TABLES:
            (file,) = plan["tables"][table]
            content = (data.parent / file["path"]).read_bytes()
            answers = [
                list(steps(api, session, table, file, content, 0)) for api in (one, other, one)
            ]
            assert answers[0] == answers[1] == answers[2]
            batches = sum(answer["batches"] for answer in answers[0])
            assert end(other, session, table, batches).status_code == 204
        assert "event: completed" in events_of(one, session)
        found = one.get(f"/v1/sessions/{session}/results/query3").text
        assert found == expected["query3.csv"]


def test_a_bad_row_is_told_with_its_place(api: httpx.Client) -> None:
    session = opened(api)
    found = problem(put_file(api, session, STORES + b"x,South\n"), 422)
    assert (found["line"], found["column"], found["value"]) == (3, "store_id", "x")
    content = parquet(b"store_id,store_name\n1,a\n,b\n")
    step = ranges.Step(((0, len(content)),), "parquet", groups=(0, 9)).text()
    found = problem(put_file(api, session, content, path="a.parquet", step=step), 422)
    assert (found["row"], found["column"], "line" in found) == (2, "store_id", False)
    assert state_of(api, session) == "open"


def test_what_is_no_part_of_a_file_is_refused(api: httpx.Client, short: None) -> None:
    session = opened(api)
    assert problem(put_file(api, session, STORES, step="{}"), 400)
    assert problem(put_file(api, session, STORES, size=5), 400)
    longer = ranges.Step(((0, len(STORES) + 1),)).text()
    assert problem(put_file(api, session, STORES, size=1000, step=longer), 400)
    assert problem(put_file(api, session, STORES, size=0), 422)
    assert problem(put_file(api, session, STORES, batch=-1), 422)
    assert problem(put_file(api, session, STORES, table="other"), 422)
    huge = ranges.Step(((0, 1 << 40),), "parquet").text()
    assert problem(put_file(api, session, STORES, size=1 << 40, step=huge), 413)
    assert problem(put_file(api, "00000000-0000-4000-8000-000000000000", STORES), 404)
    assert put_file(api, session, STORES).json() == {
        "batches": 1,
        "rows": 1,
        "step": None,
        "warnings": [],
        "left_out": 0,
        "bad_rows": [],
    }
    assert end(api, session, "stores", 1).status_code == 204
    assert problem(put_file(api, session, STORES, batch=1), 409)


def test_a_body_may_be_parquet(api: httpx.Client) -> None:
    session = opened(api)
    content = parquet(STORES)
    assert put(api, session, "stores", 0, content, headers=PARQUET).status_code == 204
    bad = parquet(b"store_id,store_name\n1,a\n,b\n")
    found = problem(put(api, session, "stores", 1, bad, headers=PARQUET), 422)
    assert (found["row"], found["column"]) == (2, "store_id")
    assert problem(put(api, session, "stores", 1, b"PAR1", headers=PARQUET), 422)


@pytest.mark.parametrize(
    "headers",
    [
        {**CSV, "Content-Encoding": "gzip"},
        {"Content-Type": "text/csv; charset=iso-8859-1"},
        {"Content-Type": "text/csv; header=present; charset=utf-16"},
    ],
)
def test_a_body_that_says_to_be_packed_or_of_another_character_set_is_refused(
    api: httpx.Client, headers: dict[str, str]
) -> None:
    session = opened(api)
    body = gzip.compress(STORES) if "Content-Encoding" in headers else STORES
    assert problem(put(api, session, "stores", 0, body, headers=headers), 415)


@pytest.mark.parametrize("charset", ["utf-8", "UTF-8", '"utf-8"', "us-ascii"])
def test_a_text_may_say_that_it_is_utf_8(api: httpx.Client, charset: str) -> None:
    headers = {"Content-Type": f"text/csv; charset={charset}"}
    assert put(api, opened(api), "stores", 0, STORES, headers=headers).status_code == 204


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_a_text_of_another_dialect_is_read_as_in_a_folder(api: httpx.Client, encoding: str) -> None:
    body = "sep=;\nSTORE_ID;store_name\n1;Café, Sur\n".encode(encoding)
    assert put(api, opened(api), "stores", 0, body, headers=CSV).status_code == 204


def test_an_odd_table_type_does_not_end_the_gateway(api: httpx.Client) -> None:
    session = opened(api)
    table = pa.table({"store_id": [[1]], "store_name": ["a"]})
    out = io.BytesIO()
    pq.write_table(table, out)
    found = problem(put(api, session, "stores", 0, out.getvalue(), headers=PARQUET), 422)
    assert found["column"] == "store_id"
