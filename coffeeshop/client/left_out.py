"""Rows that are refused, as a gateway is told of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from coffeeshop.errors import BadData
from coffeeshop.reading.folder import DataFolder
from coffeeshop.reading.parse import Rejected

MOST_NAMED = 10
"""Rows that are told with file, line, column, value and reason."""


@dataclass(frozen=True)
class LeftOut:
    """What one client left out of a table: ``rows`` of ``of`` rows; the ``first`` of them."""

    rows: int
    of: int
    first: tuple[dict[str, Any], ...]

    @staticmethod
    def among(rejected: Sequence[Rejected], read: int, folder: DataFolder) -> LeftOut | None:
        """Of a table of which ``read`` rows were sent; None when nothing was left out."""
        if not rejected:
            return None
        first = tuple(bad_row(each.error, folder) for each in rejected[:MOST_NAMED])
        return LeftOut(len(rejected), len(rejected) + read, first)

    def fields(self) -> dict[str, Any]:
        """As a gateway takes it."""
        return {"rows": self.rows, "of": self.of, "first": list(self.first)}


def bad_row(error: BadData, folder: DataFolder) -> dict[str, Any]:
    """A row within the limits of a gateway; of a Parquet file its place counts as its line."""
    return {
        "file": (file_in(folder, error.file) or "")[:300],
        "line": error.row if error.line is None else error.line,
        "column": error.column and error.column[:100],
        "value": error.value and error.value[:200],
        "reason": error.reason[:500],
    }


def file_in(folder: DataFolder, file: str | None) -> str | None:
    """A file's path as it is within its folder: the place of the folder is of no use elsewhere."""
    return None if file is None else folder.inside(file)
