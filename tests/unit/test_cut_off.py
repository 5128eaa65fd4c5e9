"""A file that was cut off inside its last row is refused or warned of, wherever it was cut."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import pytest

from coffeeshop.errors import BadData
from coffeeshop.reading.blocks import blocks_of
from coffeeshop.reading.parse import read
from coffeeshop.schema import TABLES

VALUES = {
    "item_id": "12",
    "item_name": "Flat White",
    "store_id": "345.0",
    "store_name": "Café Sur",
    "user_id": "77",
    "birthdate": "1980-02-29",
    "transaction_id": "t,1",
    "final_amount": "150.05",
    "subtotal": "38.125",
    "quantity": "14",
    "created_at": "2025-06-30 08:30:45.000",
    "unused": "1.25",
}
Found = tuple[list[dict[str, Any]], list[str]]


def found(file: Path) -> Found:
    parts = [read(block) for block in blocks_of(TABLES[file.name.split(".")[0]], file)]
    rows = [row for part in parts for row in part.batch.to_pylist()]
    return rows, [warning for part in parts for warning in part.warnings]


@pytest.mark.parametrize("quoted", [False, True])
@pytest.mark.parametrize(
    ("table", "last"),
    [(t, c) for t, table in TABLES.items() for c in [*(c.name for c in table.columns), "unused"]],
)
def test_a_cut_inside_the_last_row_never_gives_another_answer_without_a_word(
    tmp_path: Path, table: str, last: str, quoted: bool
) -> None:
    names = [c.name for c in TABLES[table].columns if c.name != last] + [last]
    row = ",".join(f'"{VALUES[n]}"' if quoted or "," in VALUES[n] else VALUES[n] for n in names)
    text = f"{','.join(names)}\n{row}\n{row}\n".encode()
    file = tmp_path / f"{table}.csv"
    file.write_bytes(text)
    whole, warnings = found(file)
    assert not warnings
    for length in range(len(text) - len(row.encode()), len(text)):
        file.write_bytes(text[:length])
        try:
            rows, warnings = found(file)
        except BadData:
            continue
        assert warnings or rows == whole, text[:length]


@pytest.mark.parametrize(
    ("row", "is_believed"),
    [
        ('1,"North"', True),
        ("1,North", False),
        ("1,", False),
        ("1,North\r", True),
        ("1,North\n", True),
        ("1,North\n\n", True),
    ],
)
def test_a_last_line_is_believed_when_it_cannot_have_been_longer(
    tmp_path: Path, row: str, is_believed: bool
) -> None:
    file = tmp_path / "stores.csv"
    file.write_text(f"store_id,store_name\n{row}", newline="")
    rows, warnings = found(file)
    assert len(rows) == 1
    assert (not warnings) is is_believed
    if warnings:
        (warning,) = warnings
        assert warning.startswith(f"{file}, line 2: the file ends without a newline")


def test_a_packed_file_warns_too_and_one_that_is_cut_itself_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "stores.csv.gz"
    packed = gzip.compress(b"store_id,store_name\n1,North")
    file.write_bytes(packed)
    assert len(found(file)[1]) == 1
    file.write_bytes(packed[:-9])
    with pytest.raises(BadData, match="damaged gzip file"):
        found(file)
