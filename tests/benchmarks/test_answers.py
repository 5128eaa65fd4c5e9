"""Answers of different engines in one form."""

from __future__ import annotations

from pathlib import Path

import pytest
from answers import FILES, canonical, differences, number


@pytest.mark.parametrize(
    ("text", "decimals", "same"),
    [
        ("78", 1, "78.0"),
        ("78.000", 1, "78.0"),
        ("78.125", 1, "78.125"),
        ("2.5", 2, "2.50"),
        ("2.345", 2, "2.345"),
        ("7.0", 0, "7"),
        ("100", 0, "100"),
        ("1E+2", 0, "100"),
    ],
)
def test_a_number_keeps_its_exact_value(text: str, decimals: int, same: str) -> None:
    assert number(text, decimals) == same


def test_parts_of_an_answer_are_one_answer_with_one_header(tmp_path: Path) -> None:
    (tmp_path / "part-0.csv").write_text('store_name,tpv\n"A, B",1.5\n')
    (tmp_path / "part-1.csv").write_text("store_name,tpv\nC,2\n")
    (tmp_path / "_SUCCESS").touch()
    assert canonical(tmp_path) == b'store_name,tpv\n"A, B",1.50\nC,2.00\n'


def test_a_cent_too_much_is_told_with_its_file_and_line(tmp_path: Path) -> None:
    for side in ("ours", "theirs"):
        (tmp_path / side).mkdir()
        for name in FILES:
            (tmp_path / side / f"{name}.csv").write_text("store_name,tpv\nA,1.00\nB,2.00\n")
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    assert differences(ours, theirs) == []
    (theirs / "query3.csv").write_text("store_name,tpv\nA,1.0\nB,2.01\n")
    (said,) = differences(ours, theirs)
    assert said == "query3.csv line 3: b'B,2.00', not b'B,2.01'"


def test_an_answer_without_its_last_row_differs(tmp_path: Path) -> None:
    for side, rows in (("ours", "A,1.00\n"), ("theirs", "")):
        (tmp_path / side).mkdir()
        for name in FILES:
            (tmp_path / side / f"{name}.csv").write_text(f"store_name,tpv\n{rows}")
    assert len(differences(tmp_path / "ours", tmp_path / "theirs")) == len(FILES)
