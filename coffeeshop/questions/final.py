"""The answer to a question: partial groups merged, names joined, the rest of the form carried out.

The answer is a batch in its canonical order. Its schema's metadata carries ``warnings``: a JSON
list of sentences about ids that have no row in their table.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from coffeeshop.operators.grouping import one_batch
from coffeeshop.questions.evaluate import TYPES, average, decimals, evaluate, is_true
from coffeeshop.questions.form import (
    GROUP,
    Call,
    Column,
    Expression,
    Join,
    Literal,
    Order,
    Question,
    columns_of,
)
from coffeeshop.questions.groups import Groups, Merged, whole_numbers
from coffeeshop.questions.partial import ROWS, VALUE, Part, parts
from coffeeshop.schema import CATALOG

MONEY = pa.decimal128(38, 3)
SHOWN_AVERAGE = pa.decimal128(38, 6)
SHOWN_IDS = 5
_MOST_RUNS = 50_000


class FinalQuestion:
    """A fold: partial groups and dimension tables in, the answer out."""

    def __init__(self, question: Question) -> None:
        self._question = question
        self._parts = {part.stream: part for part in parts(question)}
        self._groups = {name: Groups(part.keys, part.merged) for name, part in self._parts.items()}
        self._rows: list[pa.RecordBatch] = []
        self._dimensions: dict[str, list[pa.RecordBatch]] = {j.table: [] for j in question.joins}

    def on_batch(self, stream: str, batch: pa.RecordBatch) -> None:
        """Take a partial result, or rows of a dimension table."""
        if stream in self._dimensions:
            self._dimensions[stream].append(batch)
        elif self._question.grouped:
            self._groups[stream].add(batch)
        else:
            self._rows.append(batch)

    def on_end(self) -> pa.RecordBatch:
        """The rows of the answer in their order."""
        question = self._question
        warnings: list[str] = []
        first, *distinct = self._parts.values()
        found = self._joined(first, self._told(first), warnings)
        if question.grouped:
            table = self._measured(found, first, [self._counted(part) for part in distinct])
        else:
            table = found
        table = _having(table, question.having)
        table = _topped(table, question)
        for join in self._late_joins():
            table = self._joined_late(table, join, warnings)
        table = _ordered(table, question)
        stop = None if question.limit is None else question.offset + question.limit
        table = table.slice(question.offset, None if stop is None else stop - question.offset)
        return _answered(table, question, warnings)

    def _late_joins(self) -> list[Join]:
        """The joins of which nothing is read before the top is taken."""
        question = self._question
        early = {c.table for each in question.expressions() for c in columns_of(each)}
        late = {c.table for each in question.late_expressions() for c in columns_of(each)}
        return [join for join in question.joins if join.table in late - early]

    def _joined_late(self, table: pa.Table, join: Join, warnings: list[str]) -> pa.Table:
        question = self._question
        place = question.keys.index(Column(question.table, join.fact, "int"))
        columns = _places(table)
        self._look_up(join, columns[f"k{place}"], columns, warnings)
        return pa.table(columns)

    def _told(self, part: Part) -> pa.Table:
        """The part's groups, or rows."""
        if self._question.grouped:
            return self._groups[part.stream].unsorted()
        rows, self._rows = self._rows, []
        return pa.Table.from_batches(rows, part.schema)

    def _joined(self, part: Part, groups: pa.Table, warnings: list[str] | None) -> pa.Table:
        """Groups of the part with the question's keys as ``k0`` and so on, filtered."""
        question = self._question
        columns: dict[str, pa.Array] = {name: _one(groups[name]) for name in groups.column_names}
        keep: pa.Array | None = None
        late = self._late_joins()
        for join in question.joins:
            if join in late:
                continue
            fact = Column(question.table, join.fact, "int")
            if fact not in part.bases:
                if not join.outer:
                    raise AssertionError("an inner join has its id among the bases")
                continue
            ids = columns[f"b{part.bases.index(fact)}"]
            there = self._look_up(join, ids, columns, warnings)
            if not join.outer:
                keep = there if keep is None else pc.and_(keep, there)
        if keep is not None and keep.true_count < len(keep):
            columns = {name: array.filter(keep) for name, array in columns.items()}
        rows = len(columns[ROWS.name])
        if question.where_joined is not None:
            condition = _over(question.where_joined, part)
            meets = is_true(condition, columns, rows)
            assert meets is not None
            columns = {name: array.filter(meets) for name, array in columns.items()}
            rows = len(columns[ROWS.name])
        found = {
            f"k{number}": evaluate(_over(key, part), columns, rows)
            for number, key in enumerate(question.keys)
        }
        if part.distinct is not None:
            of = question.measures[part.distinct].of
            assert of is not None
            found[VALUE] = (
                columns[VALUE]
                if part.value is not None
                else evaluate(_over(of, part), columns, rows)
            )
        found |= {each.name: columns[each.name] for each in part.merged}
        return pa.table(found)

    def _look_up(
        self, join: Join, ids: pa.Array, columns: dict[str, pa.Array], warnings: list[str] | None
    ) -> pa.Array:
        """Add the dimension's columns of each id; which ids have a row."""
        names = [n for n in self._question.columns(join.table) if n != join.key]
        kinds = {c.name: c.kind.wire_type for c in CATALOG[join.table].columns}
        schema = pa.schema([(name, kinds[name]) for name in (join.key, *names)])
        batches = [each.select(schema.names) for each in self._dimensions[join.table]]
        unique = _by_id(schema, [b.cast(schema) for b in batches], join.key, pc.unique(ids))
        places = pc.index_in(ids, unique[join.key].combine_chunks())
        columns[f"{join.table}.{join.key}"] = pc.if_else(places.is_valid(), ids, None)
        for name in names:
            columns[f"{join.table}.{name}"] = _one(unique[name]).take(places)
        if warnings is not None:
            missing = pc.unique(ids.filter(places.is_null())).drop_null().sort()
            if len(missing):
                shown = ", ".join(str(each) for each in missing[:SHOWN_IDS].to_pylist())
                more = ", …" if len(missing) > SHOWN_IDS else ""
                warnings.append(
                    f"{len(missing)} {join.fact} without a row in {join.table}: {shown}{more}"
                )
        return places.is_valid()

    def _counted(self, part: Part) -> pa.Table:
        """How many values each group of the question's keys has."""
        assert part.distinct is not None
        keys = _keys(self._question)
        groups = self._told(part)
        if part.value is not None and (counts := self._counted_by_runs(part, groups)) is not None:
            return counts
        table = self._joined(part, groups, None)
        table = table.filter(table[VALUE].is_valid())
        table = _with_a_key(table, keys)
        unique = table.group_by([*keys, VALUE], use_threads=False).aggregate([])
        name = f"m{part.distinct}"
        counts = unique.group_by(keys, use_threads=False).aggregate([(VALUE, "count")])
        return counts.select([*keys, f"{VALUE}_count"]).rename_columns([*keys, name])

    def _counted_by_runs(self, part: Part, groups: pa.Table) -> pa.Table | None:
        """The same where few runs of rows have equal bases: names are joined once a run, not once
        a value. None where there are many."""
        bases = [name for name in part.keys.names if name != VALUE]
        begins = _begins([_one(groups[name]) for name in bases], groups.num_rows)
        if not len(begins) or len(begins) > min(_MOST_RUNS, groups.num_rows // 4):
            return None
        runs = groups.take(pa.array(begins))
        place = runs.schema.get_field_index(ROWS.name)
        runs = runs.set_column(place, ROWS.name, pa.array(np.arange(len(begins))))
        keys = _keys(self._question)
        found = _with_a_key(self._joined(part, runs, None), keys)
        # Runs may have one key: a name that two stores have. Their values are counted together.
        rows = zip(*(found[key].to_pylist() for key in keys), strict=True)
        numbers: dict[tuple[Any, ...], int] = {}
        of_run = np.full(len(begins), -1, np.int64)
        of_run[np.asarray(_one(found[ROWS.name]))] = [
            numbers.setdefault(row, len(numbers)) for row in rows
        ]
        of_row = np.repeat(of_run, np.diff(begins, append=groups.num_rows))
        values = _one(groups[VALUE])
        kept = pa.array(of_row >= 0)
        kept = pc.and_(kept, values.is_valid()) if values.null_count else kept
        schema = pa.schema([("number", pa.int64()), (VALUE, values.type)])
        unique = Groups(schema, ())
        unique.add(pa.table([pa.array(of_row), values], schema=schema).filter(kept))
        codes = np.asarray(_one(unique.unsorted()["number"]))
        counts = np.bincount(codes, minlength=len(numbers))
        columns = [
            pa.array([row[place] for row in numbers], found.schema.field(key).type)
            for place, key in enumerate(keys)
        ]
        return pa.table([*columns, pa.array(counts)], [*keys, f"m{part.distinct}"])

    def _measured(self, found: pa.Table, part: Part, counted: list[pa.Table]) -> pa.Table:
        """One row a group of the question's keys with its measures as ``m0`` and so on."""
        question = self._question
        keys = _keys(question)
        found = _with_a_key(found, keys)
        merged = [*part.merged]
        for table in counted:
            name = table.column_names[-1]
            merged.append(Merged(name, pa.int64(), "sum", counts=True))
        groups = Groups(pa.schema([found.schema.field(key) for key in keys]), merged)
        for table in (found, *counted):
            groups.add(_filled(table, groups.schema))
        table = groups.unsorted()
        if not question.keys and not table.num_rows:  # of no rows there still is one answer
            table = _filled(pa.table({keys[0]: pa.array([0], pa.int64())}), groups.schema)
        columns = {key: _one(table[key]) for key in keys}
        for number, measure in enumerate(question.measures):
            name = f"m{number}"
            match measure.function:
                case "count" if measure.of is None and measure.only is None:
                    column = _one(table[ROWS.name]).fill_null(0)
                case "count" | "distinct":
                    column = _one(table[name]).fill_null(0)
                case "average":
                    assert measure.of is not None
                    scale = 3 if measure.of.kind == "amount" else 0
                    column = average(table[name], table[f"{name}c"], scale)
                case _:
                    column = _one(table[name])
            columns[name] = column
        return pa.table(columns)


def _keys(question: Question) -> list[str]:
    return [f"k{number}" for number in range(len(question.keys))] or ["k0"]


def _with_a_key(table: pa.Table, keys: list[str]) -> pa.Table:
    if keys[0] in table.column_names:
        return table
    return table.append_column("k0", pa.repeat(pa.scalar(0, pa.int64()), table.num_rows))


def _filled(table: pa.Table, schema: pa.Schema) -> pa.Table:
    """The table with nulls for the columns of the schema that it has not."""
    columns = [
        table[field.name]
        if field.name in table.column_names
        else pa.nulls(table.num_rows, field.type)
        for field in schema
    ]
    return pa.table(columns, schema=schema)


def _over(expression: Expression, part: Part) -> Expression:
    """The same over the columns of the part's groups."""
    if expression in part.bases:
        return Column(GROUP, f"b{part.bases.index(expression)}", expression.kind)
    if isinstance(expression, Call):
        arguments = tuple(_over(each, part) for each in expression.arguments)
        return Call(expression.function, arguments, expression.kind)
    return expression


def _by_id(
    schema: pa.Schema, batches: Sequence[pa.RecordBatch], key: str, wanted: pa.Array
) -> pa.Table:
    """One row for each id that is wanted and there: of rows that share an id the least values."""
    kept = [batch.filter(pc.is_in(batch[key], wanted)) for batch in batches]
    table = pa.Table.from_batches(kept, schema)
    unique: dict[str, pa.Array] = {}
    for name in schema.names[1:]:
        rows = table.select([key, name]).sort_by([(key, "ascending"), (name, "ascending")])
        ids = _one(rows[key])
        first = _first_of_each(ids)
        unique[name] = _one(rows[name]).take(first)
    ids = pc.unique(table[key]).sort()
    return pa.table({key: ids, **unique})


def _first_of_each(ordered: pa.Array) -> pa.Array:
    values = np.asarray(ordered)
    begins = np.ones(len(values), np.bool_)
    begins[1:] = values[1:] != values[:-1]
    return pa.array(np.flatnonzero(begins))


def _begins(columns: Sequence[pa.Array], rows: int) -> npt.NDArray[np.int64]:
    """Where another tuple of values begins, from row to row."""
    begins = np.zeros(rows, np.bool_)
    begins[:1] = True
    for column in columns:
        codes = column.dictionary_encode("encode").indices if _is_text(column) else column
        whole = whole_numbers(codes)
        assert whole is not None
        begins[1:] |= whole[1:] != whole[:-1]
        if codes.null_count:
            none = np.asarray(codes.is_null())
            begins[1:] |= none[1:] != none[:-1]
    return np.flatnonzero(begins)


def _is_text(column: pa.Array) -> bool:
    return bool(pa.types.is_string(column.type))


def _one(column: pa.ChunkedArray | pa.Array) -> pa.Array:
    return column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column


def _places(table: pa.Table) -> dict[str, pa.Array]:
    return {name: _one(table[name]) for name in table.column_names}


def _having(table: pa.Table, condition: Expression | None) -> pa.Table:
    kept = is_true(condition, _places(table), table.num_rows)
    return table if kept is None else table.filter(kept)


def _sorted_indices(
    table: pa.Table, first: Sequence[Expression], order: Sequence[Order], names: list[str]
) -> pa.Array:
    """Places of the rows sorted by expressions, by an order, then by columns of that name."""
    columns = _places(table)
    keys: dict[str, pa.Array] = {}
    directions = []

    def add(values: pa.Array, direction: str, *, nulls_first: bool = False) -> None:
        if values.null_count:
            keys[f"n{len(keys)}"] = values.is_null().cast(pa.int8())
            directions.append((f"n{len(keys) - 1}", "descending" if nulls_first else "ascending"))
        keys[f"v{len(keys)}"] = values
        directions.append((f"v{len(keys) - 1}", direction))

    for each in first:
        add(evaluate(each, columns, table.num_rows), "ascending")
    for by in order:
        values = evaluate(by.by, columns, table.num_rows)
        add(values, "descending" if by.descending else "ascending", nulls_first=by.nulls_first)
    for name in names:
        add(columns[name], "ascending")
    if not directions:
        return pa.array(range(table.num_rows), pa.int64())
    return pc.sort_indices(pa.table(keys), directions)


def _topped(table: pa.Table, question: Question) -> pa.Table:
    top = question.top
    if top is None or not table.num_rows:
        return table
    names = [name for name in table.column_names if name != ROWS.name]
    table = table.take(_sorted_indices(table, top.per, top.order, names))
    columns = _places(table)
    begins = np.zeros(table.num_rows, np.bool_)
    begins[0] = True
    for each in top.per:
        codes = evaluate(each, columns, table.num_rows).dictionary_encode("encode").indices
        numbers = np.asarray(codes)
        begins[1:] |= numbers[1:] != numbers[:-1]
    starts = np.flatnonzero(begins)
    lengths = np.diff(starts, append=table.num_rows)
    ranks = np.arange(table.num_rows) - np.repeat(starts, lengths)
    return table.filter(pa.array(ranks < top.n))


def _ordered(table: pa.Table, question: Question) -> pa.Table:
    """By the question's order; of equal rows by the answer's columns."""
    answers = {a.name: evaluate(a.value, _places(table), table.num_rows) for a in question.answers}
    rest = {f"a{number}": column for number, column in enumerate(answers.values())}
    whole = table
    for name, column in rest.items():
        whole = whole.append_column(name, column)
    names = [name for name in table.column_names if name != ROWS.name]
    return table.take(_sorted_indices(whole, (), question.order, [*rest, *names]))


def _answered(table: pa.Table, question: Question, warnings: list[str]) -> pa.RecordBatch:
    columns = _places(table)
    arrays = [
        shown(evaluate(each.value, columns, table.num_rows), each.value)
        for each in question.answers
    ]
    fields = [
        pa.field(answer.name, array.type)
        for answer, array in zip(question.answers, arrays, strict=True)
    ]
    schema = pa.schema(fields, {"warnings": json.dumps(warnings)})
    return one_batch(pa.table(arrays, schema=schema))


def shown(values: pa.Array, of: Expression) -> pa.Array:
    """A column as the answer has it: amounts are decimals, times of the day texts."""
    match of.kind:
        case "amount" if (places := _rounded_to(of)) is not None and places < 3:
            return _units(values).cast(pa.decimal128(38, places))
        case "amount":
            return decimals(values.to_pylist(), 3) if not _fits(values) else _units(values)
        case "average":
            places = _rounded_to(of)
            if places is not None:
                return values.cast(pa.decimal128(38, min(places, 6)))
            return pc.round(values, 6, "half_towards_infinity").cast(SHOWN_AVERAGE)
        case "time":
            return pa.array([_clock(each) for each in values.to_pylist()], pa.string())
    return values if values.type == TYPES[of.kind] else values.cast(TYPES[of.kind])


def _rounded_to(of: Expression) -> int | None:
    """To how many decimals an expression rounds; None if it does not."""
    match of:
        case Call("round", (_, Literal(int(places)))):
            return places
    return None


_LARGEST = 10**18 - 1


def _fits(values: pa.Array) -> bool:
    ends = pc.min_max(values).as_py()
    return (ends["min"] or 0) >= -_LARGEST and (ends["max"] or 0) <= _LARGEST


def _units(values: pa.Array) -> pa.Array:
    """Thousandths as units with three decimals."""
    # A decimal64 has the bits of an int64 of its unscaled value.
    return values.view(pa.decimal64(18, 3)).cast(MONEY)


def _clock(seconds: Any) -> str | None:
    if seconds is None:
        return None
    return f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"
