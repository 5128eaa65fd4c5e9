"""What an operator is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, runtime_checkable

import pyarrow as pa

from coffeeshop.operators.rows import Rows

Map = Callable[[Rows], Rows]
"""Rows of one batch in, rows of one batch out; no memory between calls."""


class Fold(Protocol):
    """State over batches in any order; called by one thread at a time."""

    def on_batch(self, stream: str, batch: pa.RecordBatch) -> None:
        """Take one batch of one of the fold's input streams."""
        ...

    def on_end(self) -> pa.RecordBatch:
        """The result, after the last batch of every input. Called once."""
        ...


@runtime_checkable
class RowsFold(Fold, Protocol):
    """A fold that reads rows where they are, in whatever width they travel."""

    def on_rows(self, stream: str, rows: Rows) -> None:
        """The same as `on_batch` with the batch of the rows."""
        ...


def take_rows(fold: Fold, stream: str, rows: Rows, columns: tuple[str, ...]) -> None:
    """Have a fold take rows of a stream: where they are, or else as a batch of these columns."""
    if isinstance(fold, RowsFold):
        fold.on_rows(stream, rows)
    else:
        fold.on_batch(stream, rows.batch(columns))
