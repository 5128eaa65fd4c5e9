"""Sums per key over any number of batches, in memory that follows the keys, not the rows."""

from __future__ import annotations

from collections.abc import Callable

import pyarrow as pa

_SLACK = 1 << 19


class GroupedSums:
    """Adds up ``sums`` per distinct ``keys``.

    Batches are kept as they come and folded together when the kept rows outgrow twice the distinct
    keys plus a slack, so a row is folded a bounded number of times on average.
    """

    def __init__(self, schema: pa.Schema, keys: list[str], sums: list[str]) -> None:
        self._schema = schema
        self._keys = keys
        self._sums = sums
        self._kept: list[pa.Table] = []
        self._rows = 0
        self._limit = _SLACK

    def add(self, table: pa.Table) -> None:
        """Add rows; the columns are ``keys`` and ``sums`` in the schema's order and types."""
        self._kept.append(table)
        self._rows += table.num_rows
        if self._rows > self._limit:
            self._kept = [self._folded()]
            self._rows = self._kept[0].num_rows
            self._limit = 2 * self._rows + _SLACK

    def sorted(self) -> pa.RecordBatch:
        """One row a key, sorted by the keys: equal for equal rows in whatever order they came."""
        folded = self._folded().sort_by([(key, "ascending") for key in self._keys])
        return one_batch(folded)

    def _folded(self) -> pa.Table:
        if not self._kept:
            return self._schema.empty_table()
        return sum_by(pa.concat_tables(self._kept), self._keys, self._sums).cast(self._schema)


def sum_by(table: pa.Table, keys: list[str], sums: list[str]) -> pa.Table:
    """One row a distinct key with the sums, columns named as before."""
    grouped = table.group_by(keys, use_threads=False).aggregate([(name, "sum") for name in sums])
    return grouped.select([*keys, *(f"{name}_sum" for name in sums)]).rename_columns([*keys, *sums])


def one_batch(table: pa.Table) -> pa.RecordBatch:
    """The table as one batch, also when it has no rows."""
    batches = table.combine_chunks().to_batches()
    return batches[0] if batches else pa.RecordBatch.from_pylist([], schema=table.schema)


class Summed:
    """A fold: ``prepare`` turns a batch into key and value rows, which are summed per key."""

    def __init__(
        self,
        prepare: Callable[[pa.RecordBatch], pa.Table],
        schema: pa.Schema,
        keys: list[str],
        sums: list[str],
    ) -> None:
        self._prepare = prepare
        self._groups = GroupedSums(schema, keys, sums)

    def on_batch(self, stream: str, batch: pa.RecordBatch) -> None:
        """Fold one batch."""
        if batch.num_rows:
            self._groups.add(self._prepare(batch))

    def on_end(self) -> pa.RecordBatch:
        """One row a key, sorted."""
        return self._groups.sorted()
