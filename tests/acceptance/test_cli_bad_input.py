"""Bad data at the command line: one clear error each, and nothing written."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.acceptance.command import Run, files_of
from tests.oracle import answers


def spoil(file: Path, line: int, change: Callable[[str], str]) -> None:
    lines = file.read_text().split("\n")
    lines[line - 1] = change(lines[line - 1])
    file.write_text("\n".join(lines))


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
        (with_broken_gzip, "damaged gzip"),
        (with_bad_text, "menu_items.csv, line 4: not UTF-8"),
        (with_an_open_quote, "a quoted field is opened and never closed"),
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
