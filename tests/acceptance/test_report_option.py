"""`--report`, as a user says it: here, by a gateway, of an older session; and what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import coffeeshop
from coffeeshop.generate import generate
from coffeeshop.pipeline.messages import SessionSpec
from tests.acceptance.command import Run
from tests.running import Running, new_id


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("report") / "corner <shop>"
    generate(folder, transactions=1_500, seed=41, layout="flat")
    return folder


def submit(data: Path, *more: str) -> list[str]:
    return ["submit", "--data-folder", str(data), "--output-dir", "out", *more]


def expect_report(file: Path, *said: str) -> str:
    text = file.read_text(encoding="utf-8")
    for each in ("corner &lt;shop&gt;", "Rows", '"csv": "transaction_id,final_amount\\n', *said):
        assert each in text
    return text


def test_a_report_is_written_beside_the_results(run: Run, data: Path, tmp_path: Path) -> None:
    done = run(*submit(data, "--report", "out/report.html", "--format", "parquet"))
    assert (done.returncode, done.stderr) == (0, "")
    assert "results in out; report in out/report.html" in done.stdout
    expect_report(tmp_path / "out" / "report.html", "1,500", '"query1": "out/query1.parquet"')


def test_a_report_tells_of_rows_left_out(run: Run, data: Path, tmp_path: Path) -> None:
    bad = tmp_path / data.name
    bad.mkdir()
    for file in data.iterdir():
        (bad / file.name).write_bytes(file.read_bytes())
    with (bad / "users.csv").open("a") as users:
        users.write("<nobody>,x,x,x\n")
    done = run(*submit(bad, "--on-bad-row", "skip", "--report", "report.html", "--json"))
    assert done.returncode == 0
    assert json.loads(done.stdout)["report"] == "report.html"
    expect_report(tmp_path / "report.html", "Rows left out (1)", "&lt;nobody&gt;")


def test_a_gateway_makes_no_difference_and_an_older_session_has_one_too(
    run: Run, data: Path, tmp_path: Path, system: Running
) -> None:
    how = ("--gateway", system.url)
    done = run(*submit(data, *how, "--report", "a.html", "--json"))
    assert done.returncode == 0
    session = json.loads(done.stdout)["session"]
    expect_report(tmp_path / "a.html", session, "1,500")
    again = run("results", session, "-o", "again", "--report", "b.html", "--json", *how)
    assert again.returncode == 0
    assert json.loads(again.stdout)["files"][-1] == "b.html"
    text = expect_report(tmp_path / "b.html", session, '"query1": "again/query1.csv"')
    assert "Rows by table" not in text, "nobody but who sent them knows"


def test_what_cannot_be_written_is_refused_before_the_work(
    run: Run, data: Path, tmp_path: Path, system: Running
) -> None:
    for place, reason in (
        ("missing/report.html", "no such directory: missing"),
        (".", "a directory"),
    ):
        done = run(*submit(data, "--report", place))
        assert done.returncode == 2
        assert reason in done.stderr
    detached = run(*submit(data, "--report", "a.html", "--detach", "--gateway", system.url))
    assert (detached.returncode, "--detach" in detached.stderr) == (2, True)
    session = new_id()
    system.client().open(SessionSpec(session))
    one = run(
        "results", session, "--query", "query1", "--report", "a.html", "--gateway", system.url
    )
    assert (one.returncode, "leave out --query" in one.stderr) == (2, True)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("remote", [False, True])
def test_the_library_writes_the_same_report(
    data: Path, tmp_path: Path, system: Running, remote: bool
) -> None:
    with coffeeshop.Client(system.url if remote else None) as client:
        results = client.submit(data)
    assert results.report(tmp_path / "r.html") == tmp_path / "r.html"
    expect_report(tmp_path / "r.html", "1,500", "Rows by table")
    with pytest.raises(coffeeshop.errors.UsageError):
        results.report(tmp_path / "missing" / "r.html")
