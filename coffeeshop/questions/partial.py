"""What one partition says of a question: its rows filtered, grouped and measured.

A question has a *part* for its plain measures, and one for each ``distinct`` measure, whose groups
have the value as one more key. The keys of a part are the *bases* of the question's keys: what of
them can be told from the facts alone, and is cheap. Names of dimensions, and texts made of dates,
are made of the bases at the end, when few rows are left.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import pyarrow as pa
import pyarrow.compute as pc

from coffeeshop.operators.grouping import one_batch
from coffeeshop.questions.evaluate import TYPES, Columns, evaluate, is_true
from coffeeshop.questions.form import Call, Column, Expression, Literal, Question, columns_of
from coffeeshop.questions.groups import Groups, Merged, grouped

ROWS = Merged("n", pa.int64(), "sum", counts=True)
"""How many rows a group has."""
VALUE = "value"
"""The key of the values that a ``distinct`` measure counts."""


@dataclass(frozen=True)
class Part:
    """What is told of a question in one stream. ``distinct``: the measure whose values it has."""

    question: Question
    distinct: int | None = None

    @property
    def stream(self) -> str:
        """The stream of its partial results."""
        suffix = "" if self.distinct is None else f".{self.distinct}"
        return f"{self.question.name}.partial{suffix}"

    @cached_property
    def bases(self) -> tuple[Expression, ...]:
        """The expressions over facts that the groups have as keys."""
        question = self.question
        wanted = [*question.keys, *([question.where_joined] if question.where_joined else [])]
        if self.distinct is not None:
            of = question.measures[self.distinct].of
            wanted += [of] if of is not None and self.value is None else []
        found = [base for each in wanted for base in _bases(each, question)]
        # Whether a fact counts depends on whether there is a row with its id.
        inner = (join for join in question.joins if not join.outer)
        found += [Column(question.table, join.fact, "int") for join in inner]
        return tuple(dict.fromkeys(found))

    @cached_property
    def value(self) -> Expression | None:
        """The values that are counted, if they are told from the facts."""
        if self.distinct is None:
            return None
        of = self.question.measures[self.distinct].of
        assert of is not None
        return of if all(c.table == self.question.table for c in columns_of(of)) else None

    @cached_property
    def keys(self) -> pa.Schema:
        """The keys of its groups, named ``b0`` and so on; there is always one."""
        fields = [pa.field(f"b{i}", TYPES[base.kind]) for i, base in enumerate(self.bases)]
        if self.value is not None:
            fields.append(pa.field(VALUE, TYPES[self.value.kind]))
        return pa.schema(fields or [pa.field("b0", pa.int64())])

    @cached_property
    def merged(self) -> tuple[Merged, ...]:
        """The columns of its groups that are no keys."""
        if self.distinct is not None or not self.question.grouped:
            return (ROWS,)
        return (ROWS, *(each for each, _ in self._values()))

    def values(self) -> tuple[tuple[Merged, Expression], ...]:
        """The columns of plain measures, and what goes into them."""
        return () if self.distinct is not None else tuple(self._values())

    def _values(self) -> Iterator[tuple[Merged, Expression]]:
        for number, measure in enumerate(self.question.measures):
            name, of = f"m{number}", measure.of or Literal(1, "int")
            if measure.only is not None:
                nothing = Literal(None, of.kind)
                of = Call("case", (measure.only, of, nothing), of.kind)
            match measure.function:
                case "count" if measure.of is not None or measure.only is not None:
                    yield Merged(name, pa.int64(), "sum", counts=True), of
                case "sum":
                    yield Merged(name, TYPES[of.kind], "sum"), of
                case "min" | "max":
                    yield Merged(name, TYPES[of.kind], measure.function), of
                case "average":
                    yield Merged(name, TYPES[of.kind], "sum"), of
                    yield Merged(f"{name}c", pa.int64(), "sum", counts=True), of

    @cached_property
    def schema(self) -> pa.Schema:
        """Of its partial results."""
        return pa.schema([*self.keys, *((each.name, each.kind) for each in self.merged)])


def parts(question: Question) -> tuple[Part, ...]:
    """The parts of a question; the first has its plain measures, and every group."""
    distinct = (i for i, each in enumerate(question.measures) if each.function == "distinct")
    return (Part(question), *(Part(question, number) for number in distinct))


def _bases(expression: Expression, question: Question) -> Iterator[Expression]:
    tables = {column.table for column in columns_of(expression)}
    if not tables:
        return
    if isinstance(expression, Column):
        if expression.table == question.table:
            yield expression
        else:
            (fact,) = (join.fact for join in question.joins if join.table == expression.table)
            yield Column(question.table, fact, "int")
    elif tables == {question.table} and expression.kind != "text":
        yield expression
    else:
        assert isinstance(expression, Call)
        for argument in expression.arguments:
            yield from _bases(argument, question)


class PartialQuestion:
    """A fold: facts in, groups of one part out."""

    def __init__(self, part: Part) -> None:
        self._part = part
        self._groups = Groups(part.keys, part.merged)
        self._rows: list[pa.RecordBatch] = []

    def on_batch(self, stream: str, batch: pa.RecordBatch) -> None:
        """Take a batch of the facts."""
        question, part = self._part.question, self._part
        columns = _columns(question.table, batch)
        kept = is_true(question.where, columns, batch.num_rows)
        if kept is not None and (count := kept.true_count) < batch.num_rows:
            if not count:
                return
            names = question.columns(question.table) or tuple(batch.schema.names)
            batch = batch.select(list(names)).filter(kept)
            columns = _columns(question.table, batch)
        rows = batch.num_rows
        if not rows:
            return
        keys = [evaluate(base, columns, rows) for base in part.bases]
        if part.value is not None:
            keys.append(_distinct_value(part, columns, rows))
        if not keys:
            keys.append(pa.repeat(pa.scalar(0, pa.int64()), rows))
        if not question.grouped:
            ones = pa.repeat(pa.scalar(1, pa.int64()), rows)
            self._rows.append(pa.RecordBatch.from_arrays([*keys, ones], schema=part.schema))
            return
        values = [evaluate(of, columns, rows) for _, of in part.values()]
        groups = grouped(keys, [None, *values], part.merged, rows)
        self._groups.add(pa.table(groups, schema=part.schema))

    def on_end(self) -> pa.RecordBatch:
        """The groups, sorted."""
        if self._part.question.grouped:
            return self._groups.sorted()
        rows = one_batch(pa.Table.from_batches(self._rows, self._part.schema))
        self._rows.clear()
        return sorted_by_all(rows)


def _distinct_value(part: Part, columns: Columns, rows: int) -> pa.Array:
    assert part.value is not None
    assert part.distinct is not None
    values = evaluate(part.value, columns, rows)
    only = is_true(part.question.measures[part.distinct].only, columns, rows)
    return values if only is None else pc.if_else(only, values, pa.scalar(None, values.type))


def sorted_by_all(rows: pa.RecordBatch) -> pa.RecordBatch:
    """The rows sorted by their columns from the first to the last."""
    order = [(name, "ascending") for name in rows.schema.names]
    return rows.take(pc.sort_indices(rows, order))


def _columns(table: str, batch: pa.RecordBatch) -> dict[str, pa.Array]:
    return {f"{table}.{name}": batch[name] for name in batch.schema.names}
