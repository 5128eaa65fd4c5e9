"""The command as a user runs it: exit codes, messages, files, streams."""

from __future__ import annotations

import gzip
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.csv as pacsv
import pyarrow.parquet as pq
import pytest

from coffeeshop.generate import generate
from tests.oracle import QUERIES, answers
from tests.running import INTERRUPTIBLE

TRANSACTIONS = 3_000
SOURCE = str(Path(__file__).parents[2])
Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Runs the command in a directory of its own."""

    def call(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        clean = {k: v for k, v in os.environ.items() if not k.startswith("COFFEESHOP_")}
        return subprocess.run(
            [sys.executable, "-m", "coffeeshop", *arguments],
            cwd=tmp_path,
            env={**clean, "PYTHONPATH": SOURCE, **environment},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    return call


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A small data folder, one file a table."""
    folder = tmp_path / "data"
    generate(folder, transactions=TRANSACTIONS, seed=11, layout="flat")
    return folder


def files_of(directory: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in directory.iterdir()}


def texts_of(directory: Path) -> dict[str, str]:
    return {name: content.decode() for name, content in files_of(directory).items()}


def spoil(file: Path, line: int, change: Callable[[str], str]) -> None:
    lines = file.read_text().split("\n")
    lines[line - 1] = change(lines[line - 1])
    file.write_text("\n".join(lines))


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


def changed(place: int, value: str) -> Callable[[str], str]:
    def change(row: str) -> str:
        fields = row.split(",")
        fields[place] = value
        return ",".join(fields)

    return change


BAD: dict[str, tuple[Callable[[str], str], list[str]]] = {
    "text for a time": (
        changed(8, "yesterday"),
        ["transactions.csv, line 9, column created_at, value 'yesterday'", "2024-12-31"],
    ),
    "an amount with four decimals": (
        changed(7, "1.2345"),
        ["line 9, column final_amount, value '1.2345'", "3 decimals"],
    ),
    "an amount out of range": (
        changed(7, "99999999999"),
        ["line 9, column final_amount, value '99999999999'", "out of range"],
    ),
    "no store": (changed(1, ""), ["line 9, column store_id, value ''", "must not be empty"]),
    "a fraction for an id": (
        changed(1, "1.5"),
        ["line 9, column store_id, value '1.5'", "not a whole number"],
    ),
    "a field too few": (lambda row: row.rsplit(",", 1)[0], ["line 9", "expected 9 fields"]),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_row_is_one_clear_error_and_nothing_is_written(
    run: Run, data: Path, tmp_path: Path, case: str
) -> None:
    change, expected = BAD[case]
    spoil(data / "transactions.csv", 9, change)
    done = run("submit", "--data-folder", str(data), "--output-dir", "out")
    assert done.returncode == 4
    error, *advice = done.stderr.strip().splitlines()
    assert len(advice) == (0 if case == "a field too few" else 1)
    assert all("--on-bad-row skip" in line for line in advice)
    for words in expected:
        assert words in error
    assert not (tmp_path / "out").exists()


def test_skipped_rows_are_written_with_their_reason(run: Run, data: Path, tmp_path: Path) -> None:
    file = data / "transactions.csv"
    spoil(file, 9, changed(1, ""))
    spoil(file, 20, changed(8, "yesterday"))
    options = ("--output-dir", "out", "--on-bad-row", "skip", "--json")
    done = run("submit", "--data-folder", str(data), *options)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["rows_rejected"] == 2
    rejected = (tmp_path / "out" / "rejected.csv").read_text().splitlines()
    assert len(rejected) == 3
    assert rejected[1].startswith(f"{file},9,store_id,,must not be empty,")
    assert rejected[2].startswith(f"{file},20,created_at,yesterday,not a time like")
    lines = file.read_text().splitlines(keepends=True)
    file.write_text("".join(line for n, line in enumerate(lines, 1) if n not in (9, 20)))
    for name, text in answers(data).items():
        assert (tmp_path / "out" / name).read_text() == text


def without_a_table(data: Path) -> None:
    (data / "users.csv").unlink()


def without_a_column(data: Path) -> None:
    spoil(data / "stores.csv", 1, lambda header: header.replace("store_name", "name"))


def without_anything(data: Path) -> None:
    for file in data.iterdir():
        file.unlink()


def with_broken_gzip(data: Path) -> None:
    packed = gzip.compress((data / "users.csv").read_bytes())
    (data / "users.csv.gz").write_bytes(packed[: len(packed) // 2])
    (data / "users.csv").unlink()


def with_bad_text(data: Path) -> None:
    file = data / "menu_items.csv"
    file.write_bytes(file.read_bytes().replace(b"Latte", b"Latt\xe9", 1))


def with_an_open_quote(data: Path) -> None:
    spoil(data / "users.csv", 5, lambda row: '"' + row)


@pytest.mark.parametrize(
    ("spoiled", "words"),
    [
        (without_a_table, "no files for table users"),
        (without_a_column, "stores.csv, line 1: no column store_name"),
        (without_anything, "no table found"),
        (with_broken_gzip, "broken gzip"),
        (with_bad_text, "menu_items.csv, line 4: not UTF-8"),
        (with_an_open_quote, "a quote is opened and never closed"),
    ],
)
def test_each_kind_of_bad_input_has_its_own_message(
    run: Run, data: Path, tmp_path: Path, spoiled: Callable[[Path], None], words: str
) -> None:
    spoiled(data)
    done = run("submit", "--data-folder", str(data), "--output-dir", "out")
    assert done.returncode == 4
    assert words in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "out").exists()


def test_earlier_results_survive_a_failing_run(run: Run, data: Path, tmp_path: Path) -> None:
    submit = ("submit", "--data-folder", str(data), "--output-dir", "out", "--quiet")
    assert run(*submit).returncode == 0
    before = files_of(tmp_path / "out")
    spoil(data / "users.csv", 3, lambda row: "x," + row)
    assert run(*submit).returncode == 4
    assert files_of(tmp_path / "out") == before


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
