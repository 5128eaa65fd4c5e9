"""Submissions by the command to a gateway: fed, detached, shared, cancelled."""

from __future__ import annotations

import io
import json
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import openpyxl
import pyarrow.parquet as pq
import pytest

from coffeeshop.generate import generate
from coffeeshop.pipeline.plan import PLANS
from tests.acceptance.command import WIDE, Done, Run, command, environment, found, ok, texts_of
from tests.oracle import answers
from tests.running import INTERRUPTIBLE, Running, eventually, new_id

QUERIES = PLANS["fused"].results


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cli") / "shop [1]"
    generate(folder, transactions=1_500, seed=31, layout="flat")
    return folder


@pytest.fixture(scope="module")
def expected(data: Path) -> dict[str, str]:
    return answers(data)


@pytest.mark.parametrize("plan", PLANS)
def test_files_by_a_gateway_are_those_of_the_embedded_system(
    run_there: Run, tmp_path: Path, data: Path, expected: dict[str, str], plan: str
) -> None:
    folder = str(data)
    printed = ok(
        run_there("submit", "--data-folder", folder, "--output-dir", "there", "--plan", plan)
    )
    assert "rows in" in printed
    assert texts_of(tmp_path / "there") == expected
    here = ("submit", "--data-folder", folder, "--output-dir", "here", "--plan", plan, "-q")
    assert ok(run_there(*here, COFFEESHOP_GATEWAY="")) == ""
    assert texts_of(tmp_path / "here") == texts_of(tmp_path / "there")


def test_a_detached_session_is_watched_and_fetched_later(
    run_there: Run, tmp_path: Path, data: Path, expected: dict[str, str], system: Running
) -> None:
    done = run_there("submit", "--data-folder", str(data), "--detach")
    session = ok(done).strip()
    assert done.stderr == ""
    watched = ok(run_there("watch", session))
    assert [line.split()[0] for line in watched.splitlines()] == ["result"] * 5 + ["completed"]
    assert ok(run_there("watch", session, "-q")).strip() == session
    lines = [json.loads(line) for line in ok(run_there("watch", session, "--json")).splitlines()]
    assert [line["event"] for line in lines] == ["result"] * len(QUERIES) + ["completed"]
    assert sorted(line["query"] for line in lines[:-1]) == sorted(QUERIES)

    eventually(lambda: system.client().session(session)["state"] == "completed", "the end is known")
    printed = ok(run_there("results", session))
    assert texts_of(tmp_path / "results" / data.name) == expected
    assert len(printed.splitlines()) == len(QUERIES)
    one = ok(run_there("results", session, "--query", "query3", "-o", "-"))
    assert one == expected["query3.csv"]
    as_json = run_there("results", session, "--query", "query3", "-o", "-", "--format", "json")
    assert found(as_json)[0].keys() == {"year_half_created_at", "store_name", "tpv"}
    sheets = {name.removesuffix(".csv"): text.count("\n") for name, text in expected.items()}
    ok(run_there("results", session, "-o", "book", "--format", "xlsx"))
    book = openpyxl.load_workbook(tmp_path / "book" / "results.xlsx")
    assert {sheet.title: sheet.max_row for sheet in book.worksheets} == sheets
    body = system.client().result(session, "query3", "xlsx")
    assert openpyxl.load_workbook(io.BytesIO(body)).sheetnames == ["query3"]
    printed = ok(run_there("results", session, "--query", "query3", "--format", "table"))
    assert expected["query3.csv"].splitlines()[1].rpartition(",")[2] in printed
    refused = run_there("results", session, "-o", "-", "--format", "table")
    assert (refused.returncode, "leave out --output-dir" in refused.stderr) == (2, True)
    ok(run_there("results", session, "--query", "query1", "-o", "one", "--format", "parquet"))
    assert [file.name for file in (tmp_path / "one").iterdir()] == ["query1.parquet"]
    rows = pq.read_table(tmp_path / "one" / "query1.parquet").num_rows
    assert rows == len(expected["query1.csv"].splitlines()) - 1

    shown = found(run_there("status", session, "--json"))
    assert (shown["state"], shown["name"]) == ("completed", data.name)
    text = ok(run_there("status", session))
    assert data.name in text
    assert "completed" in text


def test_json_of_a_detached_session_names_it(run_there: Run, data: Path) -> None:
    summary = found(run_there("submit", "--data-folder", str(data), "--detach", "--json"))
    assert summary["rows"]["transactions"] == 1_500
    assert "completed" in ok(run_there("watch", summary["session"]))


def test_two_clients_feed_one_session(
    run_there: Run, tmp_path: Path, data: Path, expected: dict[str, str]
) -> None:
    session = new_id()

    def client(number: int) -> Done:
        share = ("--session", session, "--producer", f"{number}/2")
        folder = ("--data-folder", str(data), "--output-dir", f"out{number}")
        return run_there("submit", *folder, *share, "-q")

    with ThreadPoolExecutor(2) as pool:
        for done in pool.map(client, range(2)):
            ok(done)
    assert texts_of(tmp_path / "out0") == texts_of(tmp_path / "out1") == expected


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_cancels_the_session(
    tmp_path: Path, idle: Running, data: Path, number: signal.Signals
) -> None:
    before = {each["id"] for each in idle.client().sessions()}
    process = subprocess.Popen(
        [sys.executable, "-c", INTERRUPTIBLE, "submit", "--data-folder", str(data)],
        cwd=tmp_path,
        env=environment(COFFEESHOP_GATEWAY=idle.url, **WIDE),
        stdin=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        eventually(
            lambda: any(
                each["uploaded"] for each in idle.client().sessions() if each["id"] not in before
            ),
            "all of it is sent",
        )
        process.send_signal(number)
        _, said = process.communicate(timeout=20)
    finally:
        process.kill()
    assert process.returncode == 128 + number, said
    assert "Traceback" not in said
    (session,) = {each["id"] for each in idle.client().sessions()} - before
    eventually(
        lambda: idle.client().session(session)["state"] == "cancelled", "the session is cancelled"
    )
    assert not (tmp_path / "results").exists()
    idle.client().delete(session)


def test_a_cancelled_submission_ends_with_code_6(tmp_path: Path, idle: Running, data: Path) -> None:
    session = new_id()
    process = subprocess.Popen(
        command("submit", "--data-folder", str(data), "--session", session),
        cwd=tmp_path,
        env=environment(COFFEESHOP_GATEWAY=idle.url, **WIDE),
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        eventually(
            lambda: session in {each["id"] for each in idle.client().sessions()}, "it has begun"
        )
        idle.client().cancel(session)
        _, said = process.communicate(timeout=20)
    finally:
        process.kill()
    assert process.returncode == 6, said
    assert "cancelled by the client" in said
