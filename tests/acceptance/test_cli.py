"""The command as a user runs it: exit codes, messages, files, streams."""

from __future__ import annotations

import gzip
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow.csv as pacsv
import pyarrow.parquet as pq
import pytest

from coffeeshop.generate import generate
from tests.acceptance.command import SOURCE, TRANSACTIONS, Run, files_of, texts_of
from tests.oracle import QUERIES, answers
from tests.running import INTERRUPTIBLE


@pytest.mark.parametrize("plan", ["fused", "staged"])
@pytest.mark.parametrize("dialect", ["kaggle", "export"])
@pytest.mark.parametrize("layout", ["dirs", "flat"])
def test_the_five_files_are_those_of_an_independent_engine(
    run: Run, tmp_path: Path, plan: str, dialect: str, layout: str
) -> None:
    rows = generate(
        tmp_path / "x", transactions=TRANSACTIONS, seed=5, dialect=dialect, layout=layout
    )
    done = run("submit", "--data-folder", "x", "--output-dir", "out", "--plan", plan)
    assert done.returncode == 0, done.stderr
    assert f"{sum(rows.values()):,} rows in" in done.stdout
    assert texts_of(tmp_path / "out") == answers(tmp_path / "x")


def test_both_plans_and_any_number_of_partitions_write_the_same_bytes(
    run: Run, data: Path, tmp_path: Path
) -> None:
    found = []
    for plan, partitions in (("fused", "1"), ("fused", "5"), ("staged", "1"), ("staged", "3")):
        out = tmp_path / f"{plan}{partitions}"
        options = ("--plan", plan, "--partitions", partitions, "--quiet")
        done = run("submit", "--data-folder", str(data), "--output-dir", str(out), *options)
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
        found.append(files_of(out))
    assert all(each == found[0] for each in found)


def test_gzip_and_parquet_inputs_give_the_same_answers(
    run: Run, data: Path, tmp_path: Path
) -> None:
    expected = answers(data)
    for table in ("users", "transactions"):
        plain = data / f"{table}.csv"
        (data / f"{table}.csv.gz").write_bytes(gzip.compress(plain.read_bytes()))
        plain.unlink()
    items = data / "transaction_items.csv"
    pq.write_table(pacsv.read_csv(items), items.with_suffix(".parquet"))
    items.unlink()
    done = run("submit", "--data-folder", str(data), "--output-dir", "out", "--quiet")
    assert done.returncode == 0, done.stderr
    assert texts_of(tmp_path / "out") == expected


def test_a_folder_is_found_under_the_data_root(run: Run, data: Path, tmp_path: Path) -> None:
    parent = tmp_path / "roots"
    parent.mkdir()
    data.rename(parent / "mine")
    root, inside = str(parent), str(parent / "mine")
    for done in (
        run("submit", "--data-root", root, "--data-folder", "mine", "--json"),
        run("submit", "--data-folder", "mine", "--json", COFFEESHOP_DATA_ROOT=root),
        run("submit", "--json", COFFEESHOP_DATA_ROOT=inside),
    ):
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)["rows"]["transactions"] == TRANSACTIONS


def test_json_keeps_stdout_clean_even_when_verbose(run: Run, data: Path) -> None:
    done = run("submit", "--data-folder", str(data), "--json", "--verbose")
    summary = json.loads(done.stdout)
    assert summary["state"] == "completed"
    assert [Path(file).stem for file in summary["files"]] == list(QUERIES)
    assert summary["rows_rejected"] == 0


def test_verbose_tells_the_life_of_the_protocol(run: Run, data: Path) -> None:
    done = run("submit", "--data-folder", str(data), "--verbose", COFFEESHOP_LOG_FORMAT="json")
    lines = [json.loads(line) for line in done.stderr.splitlines() if line.startswith("{")]
    first = {line["event"]: line for line in reversed(lines)}
    for event in (
        "session_registered",
        "table_ended",
        "end_of_stream",
        "still_waiting",
        "task_complete",
        "session_completed",
        "session_released",
    ):
        assert f"eof_protocol.{event}" in first
    assert len(first["eof_protocol.session_registered"]["tables"]) == 5
    ended = first["eof_protocol.end_of_stream"]
    assert {"session", "stage", "partition", "table"} <= ended.keys()
    assert all("/" in each for each in first["eof_protocol.still_waiting"]["waiting"])


@pytest.mark.parametrize("file_format", ["json", "parquet"])
def test_the_other_formats_hold_the_same_rows(
    run: Run, data: Path, tmp_path: Path, file_format: str
) -> None:
    options = ("--output-dir", "out", "--format", file_format, "--quiet")
    assert run("submit", "--data-folder", str(data), *options).returncode == 0
    for name, text in answers(data).items():
        file = tmp_path / "out" / name.replace("csv", file_format)
        rows: list[dict[str, Any]] = (
            json.loads(file.read_text())
            if file_format == "json"
            else pq.read_table(file).to_pylist()
        )
        assert len(rows) == text.count("\n") - 1
        assert not rows or ",".join(rows[0]) == text.split("\n")[0]


def test_header_only_files_give_header_only_answers(run: Run, data: Path, tmp_path: Path) -> None:
    for file in data.iterdir():
        file.write_text(file.read_text().split("\n")[0] + "\n")
    assert run("submit", "--data-folder", str(data), "--output-dir", "out").returncode == 0
    for content in files_of(tmp_path / "out").values():
        assert content.count(b"\n") == 1


def test_ids_without_a_row_keep_their_answers_and_are_warned_of(
    run: Run, data: Path, tmp_path: Path
) -> None:
    file = data / "stores.csv"
    lines = file.read_text().splitlines(keepends=True)
    file.write_text("".join(line for line in lines if not line.startswith("1,")))
    done = run("submit", "--data-folder", str(data), "--output-dir", "out", "--json")
    assert texts_of(tmp_path / "out") == answers(data)
    warnings = json.loads(done.stdout)["warnings"]
    assert warnings == ["1 store_id without a row in stores: 1"]


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["submit", "--data-folder", "nowhere"], 2),
        (["submit", "--plan", "none"], 2),
        (["nonsense"], 2),
        (["--help"], 0),
        (["--version"], 0),
    ],
)
def test_usage(run: Run, arguments: list[str], code: int) -> None:
    assert run(*arguments).returncode == code


def test_a_timeout_has_its_own_code(run: Run, data: Path) -> None:
    done = run("submit", "--data-folder", str(data), "--timeout", "0")
    assert done.returncode == 7
    assert "did not end within 0 s" in done.stderr


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_it_and_nothing_is_written(
    tmp_path: Path, number: signal.Signals, code: int
) -> None:
    generate(tmp_path / "data", transactions=1_000_000, seed=1)
    arguments = ["submit", "--data-folder", "data", "--output-dir", "out", "--verbose"]
    process = subprocess.Popen(
        [sys.executable, "-c", INTERRUPTIBLE, *arguments],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": SOURCE},
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    # The first end of a table: the session runs, and most of the input is still to come.
    assert any("table_ended" in line for line in process.stderr)
    process.send_signal(number)
    process.communicate(timeout=30)
    assert process.returncode == code
    assert not (tmp_path / "out").exists()


def test_generate_refuses_a_folder_that_is_not_empty(run: Run, data: Path) -> None:
    done = run("generate", str(data), "--transactions", "10")
    assert done.returncode == 2
    assert "is not empty" in done.stderr


def test_the_demo_runs_three_clients_and_survives_its_crashes(run: Run) -> None:
    done = run("demo", "--transactions", "5000")
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("byte for byte") == 3
    assert done.stdout.count(" crash ") >= 3
