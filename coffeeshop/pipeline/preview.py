"""What is known of a session's answers while its data comes: no answer, and never taken for one.

A preview reads what clients stored, as tasks do, and folds it with the same operators; it writes
nothing, so no task and no result depends on it. What it read since it was last asked is one more
partial result, which is merged with those before it as the results of partitions are.
"""

from __future__ import annotations

from collections import Counter, defaultdict

import pyarrow as pa

from coffeeshop.codec import opened
from coffeeshop.operators import Fold, Rows, take_rows
from coffeeshop.pipeline.messages import Record, SessionSpec, TaskId
from coffeeshop.pipeline.plan import FoldOperator, MapOperator, plan_of
from coffeeshop.schema import IDS


class Preview:
    """The state of one preview: records in any order and with repeats in, tables out.
    Not thread-safe."""

    def __init__(self, spec: SessionSpec) -> None:
        self._spec = spec
        self._plan = plan_of(spec)
        results = self._plan.results
        folds = [op for op in self._plan.operators if isinstance(op, FoldOperator)]
        self._maps = [op for op in self._plan.operators if isinstance(op, MapOperator)]
        self._partials = [op for op in folds if op.emits not in results]
        self._finals = [op for op in folds if op.emits in results]
        self._open: dict[str, Fold] = {}
        """Partial results that are being made, by stream."""
        self._kept: dict[str, list[Rows]] = defaultdict(list)
        """Partial results that were made, and rows of dimension tables."""
        self._seen: set[tuple[str, str, int]] = set()
        self._announced: dict[tuple[str, str], int] = {}
        self._told: dict[str, pa.Table] | None = None
        self.rows: Counter[str] = Counter()
        """How many rows were read, by table."""

    def journals(self) -> dict[str, tuple[str, ...]]:
        """The journals to read, each with the tables that are read there: every table once."""
        found: dict[str, list[str]] = defaultdict(list)
        for table in self._plan.table_names:
            stage = self._plan.readers(table)[0]
            for partition in range(stage.partitions(self._spec)):
                found[TaskId(self._spec.id, stage.name, partition).journal].append(table)
        return {journal: tuple(tables) for journal, tables in found.items()}

    @property
    def share(self) -> float | None:
        """Which part of the batches of facts was read; None before clients have ended them."""
        sales = [table for table in self._plan.table_names if table not in IDS]
        ends = [(table, name) for table in sales for name in self._spec.producer_names]
        if not sales or any(end not in self._announced for end in ends):
            return None
        count = sum(self._announced[end] for end in ends)
        read = sum(1 for table, _, _ in self._seen if table in sales)
        return read / count if count else 1.0

    def feed(self, record: Record) -> None:
        """Take a record of one of the journals, of a table that is read there."""
        if record.kind == "eof":
            self._announced[record.stream, record.producer] = record.number
        key = record.stream, record.producer, record.number
        if record.kind != "batch" or key in self._seen:
            return
        self._seen.add(key)
        self._told = None
        rows = Rows(opened(record.body))
        self.rows[record.stream] += rows.source.num_rows
        if record.stream in IDS:
            self._kept[record.stream].append(rows)
        self._pass_on(record.stream, rows)

    def tables(self) -> dict[str, pa.Table]:
        """Each question's answer to the rows that were read."""
        if self._told is not None:
            return self._told
        for stream, fold in self._open.items():
            self._kept[stream].append(Rows(fold.on_end()))
        self._open.clear()
        found = {}
        for operator in self._finals:
            fold = operator.make()
            for stream in operator.sources:
                for rows in self._kept[stream]:
                    take_rows(fold, stream, rows, operator.reads)
            found[operator.emits] = pa.Table.from_batches([fold.on_end()])
        self._told = found
        return found

    def _pass_on(self, stream: str, rows: Rows) -> None:
        for operator in self._partials:
            if stream in operator.sources:
                if operator.emits not in self._open:
                    self._open[operator.emits] = operator.make()
                take_rows(self._open[operator.emits], stream, rows, operator.reads)
        for mapped in self._maps:
            if mapped.source == stream:
                self._pass_on(mapped.emits, mapped.function(rows))
