"""Expressions of DuckDB's SQL read into those of `form`; what is not understood is refused.

A refusal names the place in the text and what would work instead.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from decimal import Decimal, InvalidOperation

from sqlglot import exp

from coffeeshop.errors import QuestionRefused
from coffeeshop.questions import evaluate
from coffeeshop.questions.form import GROUP, Call, Column, Expression, Literal, Measure
from coffeeshop.schema import CATALOG, Kind
from coffeeshop.suggestions import did_you_mean

KINDS = {
    Kind.TEXT: "text",
    Kind.ID: "int",
    Kind.COUNT: "int",
    Kind.AMOUNT: "amount",
    Kind.INSTANT: "instant",
    Kind.DATE: "date",
}
WORDS = {
    "int": "a whole number",
    "amount": "an amount",
    "text": "a text",
    "date": "a date",
    "instant": "a time with its date",
    "time": "a time of day",
    "bool": "a condition",
    "average": "an average",
    "decimal": "a number with decimals",
    "null": "null",
}
_PARTS = {
    "year": "year",
    "quarter": "quarter",
    "month": "month",
    "week": "week",
    "weekofyear": "week",
    "dayofweek": "weekday",
    "weekday": "weekday",
    "dow": "weekday",
    "isodow": "iso_weekday",
    "dayofweekiso": "iso_weekday",
    "day": "day",
    "dayofmonth": "day",
    "hour": "hour",
    "minute": "minute",
    "second": "second",
}
_STARTS = {
    "year": "year_start",
    "quarter": "quarter_start",
    "month": "month_start",
    "week": "week_start",
    "day": "date",
    "hour": "hour_start",
}
_COMPARISONS: dict[type[exp.Expr], str] = {
    exp.EQ: "=",
    exp.NEQ: "<>",
    exp.LT: "<",
    exp.LTE: "<=",
    exp.GT: ">",
    exp.GTE: ">=",
}
_MEASURES: dict[type[exp.Expr], str] = {
    exp.Count: "count",
    exp.Sum: "sum",
    exp.Min: "min",
    exp.Max: "max",
    exp.Avg: "average",
}
UNDERSTOOD = (
    "year, quarter, month, week, dayofweek, isodow, day, hour, minute, date_trunc, strftime, "
    "monthname, dayname, case, if, coalesce, lower, upper, length, round, ||, and the aggregates "
    "count, sum, min, max, avg"
)
_THOUSAND = Decimal(1000)


class Reader:
    """Reads expressions of one text in which the names of ``tables`` are known."""

    def __init__(self, text: str, name: str) -> None:
        self.text = text
        self.name = name
        self.tables: dict[str, str] = {}
        """What the text calls a table, and its name."""
        self.measures: list[Measure] | None = None
        """Where aggregates go; None where there may be none."""
        self.aliases: dict[str, exp.Expr] = {}
        """Columns of the answer by name."""
        self.aliases_first = False
        self.merged: dict[str, str] = {}
        """Columns that USING made one, and the table whose they are."""

    def refuse(self, node: exp.Expr | None, what: str, instead: str = "") -> QuestionRefused:
        """The refusal of a node."""
        return refusal(self.name, self.text, _start(node), what, instead)

    def read(self, node: exp.Expr) -> Expression:
        """The expression; literals that nothing is compared with get a kind of their own."""
        return self._settled(node, self._read(node))

    def condition(self, node: exp.Expr) -> Expression:
        """An expression that is true or false."""
        found = self.read(node)
        if found.kind != "bool":
            raise self.refuse(node, f"{WORDS[found.kind]} is no condition", "compare it: x > 0")
        return found

    def _settled(self, node: exp.Expr, found: Expression) -> Expression:
        if isinstance(found, Literal) and found.kind == "decimal":
            return self._literal_as(node, found, "amount")
        return found

    def _read(self, node: exp.Expr) -> Expression:  # noqa: C901 - one case for each form of SQL
        match node:
            case exp.Paren():
                return self._read(node.this)
            case exp.Column():
                return self._column(node)
            case exp.Literal() | exp.Boolean() | exp.Null() | exp.Neg():
                return self._literal(node)
            case exp.And() | exp.Or():
                sides = self.condition(node.left), self.condition(node.right)
                return Call("and" if isinstance(node, exp.And) else "or", sides, "bool")
            case exp.Not():
                return Call("not", (self.condition(node.this),), "bool")
            case exp.EQ() | exp.NEQ() | exp.LT() | exp.LTE() | exp.GT() | exp.GTE():
                return self._compared(node, _COMPARISONS[type(node)], node.left, node.right)
            case exp.Between():
                least = self._compared(node, ">=", node.this, node.args["low"])
                most = self._compared(node, "<=", node.this, node.args["high"])
                return Call("and", (least, most), "bool")
            case exp.In():
                return self._in(node)
            case exp.Is():
                return self._is(node)
            case exp.Like() | exp.ILike():
                return self._like(node)
            case exp.Add() | exp.Sub() | exp.Mul() | exp.IntDiv() | exp.Mod() | exp.Div():
                return self._arithmetic(node)
            case exp.DPipe() | exp.Concat():
                return self._joined(node)
            case exp.Case() | exp.If():
                return self._case(node)
            case exp.Coalesce():
                return self._coalesce(node)
            case exp.Cast():
                return self._cast(node)
            case exp.Filter():
                return self._filtered(node)
            case exp.Count() | exp.Sum() | exp.Min() | exp.Max() | exp.Avg():
                return self._measure(node, None)
            case exp.Window():
                raise self.refuse(
                    node,
                    "a window function outside QUALIFY",
                    "QUALIFY row_number() OVER (PARTITION BY ... ORDER BY ...) <= 3 keeps the "
                    "first rows of each group",
                )
            case exp.Subquery() | exp.Select() | exp.Exists():
                raise self.refuse(
                    node, "a query within a query", "join the table, or ask two questions"
                )
            case exp.Star():
                raise self.refuse(node, "*", "name the columns: only those that are named travel")
            case exp.Func():
                return self._function(node)
        raise self.refuse(node, f"{node.sql('duckdb')!r}", f"what is understood: {UNDERSTOOD}")

    # Columns and literals.

    def _column(self, node: exp.Column) -> Expression:
        name, table = node.name.lower(), node.table.lower()
        if not table and self.aliases_first and name in self.aliases:
            return self._aliased(self.aliases[name])
        found = self.find(node, name, table)
        if found is not None:
            return found
        if not table and name in self.aliases:
            return self._aliased(self.aliases[name])
        known = [c.name for t in self.tables.values() for c in CATALOG[t].columns]
        where = ", ".join(dict.fromkeys(self.tables.values()))
        instead = did_you_mean(name, known).lstrip("; ") or f"there are {', '.join(known)}"
        raise self.refuse(node, f"no column {name} in {where}", instead)

    def _aliased(self, meant: exp.Expr) -> Expression:
        """What a column of the answer says, in which no alias is meant."""
        aliases, self.aliases = self.aliases, {}
        try:
            return self._read(meant)
        finally:
            self.aliases = aliases

    def find(self, node: exp.Expr, name: str, table: str) -> Column | None:
        """The column of that name; None if there is none, a refusal if there are several."""
        if table and table not in self.tables:
            raise self.refuse(node, f"no table {table} here", f"there are {', '.join(self.tables)}")
        places = [self.tables[table]] if table else list(dict.fromkeys(self.tables.values()))
        if not table and name in self.merged:
            places = [self.merged[name]]
        found = [
            Column(place, name, KINDS[column.kind])
            for place in places
            for column in CATALOG[place].columns
            if column.name == name
        ]
        if len(found) > 1:
            several = " and ".join(f"{each.table}.{name}" for each in found)
            raise self.refuse(node, f"{name} may be {several}", "name the table before the column")
        return found[0] if found else None

    def _literal(self, node: exp.Expr) -> Expression:
        match node:
            case exp.Null():
                return Literal(None, "null")
            case exp.Boolean():
                return Literal(bool(node.this), "bool")
            case exp.Neg():
                found = self._read(node.this)
                if isinstance(found, Literal) and isinstance(found.value, int | Decimal):
                    return Literal(-found.value, found.kind)
                if found.kind not in ("int", "amount"):
                    raise self.refuse(node, f"minus {WORDS[found.kind]}")
                return Call("negative", (found,), found.kind)
        if node.is_string:
            return Literal(str(node.this), "text")
        try:
            number = Decimal(str(node.this))
        except InvalidOperation:
            raise self.refuse(node, f"the number {node.this}") from None
        whole = str(node.this).isdecimal()
        if abs(number) >= 10**15:
            raise self.refuse(node, f"the number {node.this}", "numbers have up to 15 digits")
        return Literal(int(number), "int") if whole else Literal(number, "decimal")

    def _literal_as(self, node: exp.Expr, literal: Literal, kind: str) -> Literal:
        """The constant as one of another kind."""
        value = literal.value
        if value is None:
            return Literal(None, kind)
        match kind, value:
            case "amount", int() | Decimal() if literal.kind in ("int", "decimal"):
                thousandths = Decimal(value) * _THOUSAND
                if thousandths != int(thousandths):
                    raise self.refuse(
                        node, f"the amount {value}", "amounts have up to three decimals"
                    )
                return Literal(int(thousandths), "amount")
            case "average", int() | Decimal() if literal.kind in ("int", "decimal"):
                return Literal(Decimal(value), "average")
            case "int", Decimal() if value == int(value):
                return Literal(int(value), "int")
            case "date" | "instant" | "time", str():
                return Literal(self._moment(node, value, kind), kind)
            case "instant", dt.date() if literal.kind == "date":
                return Literal(dt.datetime.combine(value, dt.time()), kind)
        if literal.kind == kind:
            return literal
        raise self.refuse(
            node, f"{WORDS[kind]} and {WORDS[literal.kind]} are not compared", _example(kind)
        )

    def _moment(self, node: exp.Expr, text: str, kind: str) -> dt.date | dt.datetime | int:
        try:
            if kind == "date":
                return dt.date.fromisoformat(text)
            if kind == "instant":
                found = dt.datetime.fromisoformat(text)
                if found.tzinfo is None and not found.microsecond:
                    return found
            else:
                time = dt.time.fromisoformat(text)
                if time.tzinfo is None and not time.microsecond:
                    return time.hour * 3600 + time.minute * 60 + time.second
        except ValueError:
            pass
        raise self.refuse(node, f"{text!r} is not {WORDS[kind]}", _example(kind))

    # Comparisons.

    def _alike(self, first: exp.Expr, second: exp.Expr) -> tuple[Expression, Expression]:
        """Both sides as one kind."""
        left, right = self._read(first), self._read(second)
        if isinstance(left, Literal) and not isinstance(right, Literal):
            left = self._literal_as(first, left, right.kind)
        elif isinstance(right, Literal) and left.kind != right.kind:
            right = self._literal_as(second, right, left.kind)
        if left.kind != right.kind:
            raise self.refuse(
                second,
                f"{WORDS[left.kind]} and {WORDS[right.kind]} are not compared",
                _example(left.kind),
            )
        return left, right

    def _compared(self, node: exp.Expr, sign: str, first: exp.Expr, second: exp.Expr) -> Call:
        left, right = self._alike(first, second)
        if "null" in (left.kind, right.kind) or (
            isinstance(right, Literal) and right.value is None
        ):
            raise self.refuse(node, "a comparison with NULL is never true", "x IS NULL")
        return Call(sign, (left, right), "bool")

    def _in(self, node: exp.In) -> Call:
        if node.args.get("query") is not None or not node.expressions:
            raise self.refuse(node, "IN with a query", "list the values: IN (1, 2)")
        of = self._read(node.this)
        among = []
        for each in node.expressions:
            value = self._read(each)
            if not isinstance(value, Literal) or value.value is None:
                raise self.refuse(each, "IN with what is no constant", "list the values: IN (1, 2)")
            among.append(self._literal_as(each, value, of.kind))
        return Call("in", (of, *among), "bool")

    def _is(self, node: exp.Is) -> Call:
        if not isinstance(node.expression, exp.Null):
            raise self.refuse(node, "IS with something else than NULL", "x IS NULL, or x = 1")
        return Call("is_null", (self.read(node.this),), "bool")

    def _like(self, node: exp.Expr) -> Call:
        of, pattern = self.read(node.this), self._read(node.expression)
        if of.kind != "text" or not isinstance(pattern, Literal) or pattern.kind != "text":
            raise self.refuse(node, "LIKE of something else", "a text LIKE 'pattern%'")
        return Call("ilike" if isinstance(node, exp.ILike) else "like", (of, pattern), "bool")

    # Calculations.

    def _arithmetic(self, node: exp.Expr) -> Expression:
        if isinstance(node, exp.Div):
            raise self.refuse(
                node,
                "a division, which is not exact",
                "avg(x), or both numbers as two columns; // divides whole numbers",
            )
        first, second = node.this, node.expression
        left, right = self._read(first), self._read(second)
        signs = {exp.Add: "+", exp.Sub: "-", exp.Mul: "*", exp.IntDiv: "//", exp.Mod: "%"}
        sign = signs[type(node)]  # type: ignore[index]
        if sign in "+-":
            if "amount" in (left.kind, right.kind):
                left = self._amount(first, left)
                right = self._amount(second, right)
            kinds = {left.kind, right.kind}
            kind = kinds.pop() if len(kinds) == 1 else ""
        elif sign == "*":
            kinds = {left.kind, right.kind}
            kind = {frozenset({"int"}): "int", frozenset({"int", "amount"}): "amount"}.get(
                frozenset(kinds), ""
            )
        else:
            kind = "int" if left.kind == right.kind == "int" else ""
        if kind not in ("int", "amount"):
            raise self.refuse(
                node,
                f"{WORDS[left.kind]} {sign} {WORDS[right.kind]}",
                "sums of amounts, and amounts times whole numbers, are exact",
            )
        return Call(sign, (left, right), kind)

    def _amount(self, node: exp.Expr, found: Expression) -> Expression:
        if isinstance(found, Literal) and found.kind in ("int", "decimal"):
            return self._literal_as(node, found, "amount")
        return found

    def _joined(self, node: exp.Expr) -> Expression:
        parts = list(node.flatten()) if isinstance(node, exp.DPipe) else node.expressions
        texts = [self._text(each, self.read(each)) for each in parts]
        return Call("||", tuple(texts), "text")

    def _text(self, node: exp.Expr, found: Expression) -> Expression:
        if found.kind == "text":
            return found
        if found.kind == "int":
            return Call("text", (found,), "text")
        raise self.refuse(
            node, f"{WORDS[found.kind]} as a text", "strftime(created_at, '%Y-%m-%d') writes a date"
        )

    def _case(self, node: exp.Expr) -> Expression:
        if isinstance(node, exp.If):
            pairs = [(node.this, node.args["true"])]
            default = node.args.get("false")
        else:
            pairs = [(each.this, each.args["true"]) for each in node.args["ifs"]]
            default = node.args.get("default")
        subject = node.args.get("this") if isinstance(node, exp.Case) else None
        conditions = [
            self.condition(each) if subject is None else self._compared(node, "=", subject, each)
            for each, _ in pairs
        ]
        nodes = [value for _, value in pairs] + ([default] if default is not None else [])
        values = self._one_kind(nodes)
        if default is None:
            values.append(Literal(None, values[0].kind))
        arguments = [x for pair in zip(conditions, values, strict=False) for x in pair]
        return Call("case", (*arguments, values[-1]), values[0].kind)

    def _coalesce(self, node: exp.Expr) -> Expression:
        values = self._one_kind([node.this, *node.expressions])
        return Call("coalesce", tuple(values), values[0].kind)

    def _one_kind(self, nodes: list[exp.Expr]) -> list[Expression]:
        """Values that are one kind, or can be."""
        values = [self._read(each) for each in nodes]
        firm = [v.kind for v in values if not isinstance(v, Literal)]
        loose = [v.kind for v in values if v.kind != "null"]
        kind = (firm or ["amount"] * ("decimal" in loose) or loose or ["null"])[0]
        if kind == "null":
            raise self.refuse(nodes[0], "only nulls")
        for place, (each, value) in enumerate(zip(nodes, values, strict=True)):
            if isinstance(value, Literal) and value.kind != kind:
                values[place] = self._literal_as(each, value, kind)
            elif value.kind != kind:
                raise self.refuse(each, f"{WORDS[kind]} or {WORDS[value.kind]}", _example(kind))
        return values

    def _cast(self, node: exp.Cast) -> Expression:
        of, wanted = self._read(node.this), str(node.to.this.name).lower()
        if isinstance(of, Literal) and of.kind == "text":
            kinds = {"date": "date", "time": "time", "timestamp": "instant"}
            kind = kinds.get("timestamp" if wanted.startswith("timestamp") else wanted)
            if kind is not None:
                return self._literal_as(node.this, of, kind)
        match wanted, of.kind:
            case ("date", "instant" | "date"):
                return Call("date", (of,), "date") if of.kind == "instant" else of
            case ("time", "instant"):
                return Call("time", (of,), "time")
            case ("text" | "varchar", "int" | "text"):
                return self._text(node, of)
            case ("int" | "bigint", "int"):
                return of
        raise self.refuse(
            node,
            f"{WORDS[of.kind]} as {wanted}",
            "x::date and x::time of an instant, x::text of a whole number",
        )

    # Functions.

    def _function(self, node: exp.Expr) -> Expression:
        name = (node.name if isinstance(node, exp.Anonymous) else type(node).__name__).lower()
        arguments = [each for each in _arguments(node) if isinstance(each, exp.Expr)]
        match node:
            case exp.Extract():
                return self._part(node, node.this.name.lower(), node.expression)
            case exp.TimestampTrunc() | exp.DateTrunc():
                unit = node.args["unit"].name.lower()
                return self._start_of(node, unit, node.this)
            case exp.TimeToStr():
                return self._strftime(node, node.this, node.args["format"])
            case exp.Lower() | exp.Upper() | exp.Length():
                of = self.read(node.this)
                kind = "int" if isinstance(node, exp.Length) else "text"
                if of.kind == "text":
                    return Call(name, (of,), kind)
                raise self.refuse(node, f"{name} of {WORDS[of.kind]}", "it takes a text")
            case exp.Round():
                return self._round(node)
        if name in ("date_part", "datepart") and len(arguments) == 2:
            return self._part(node, arguments[0].name.lower(), arguments[1])
        if name in ("monthname", "dayname") and len(arguments) == 1:
            of = self._moment_of(node, arguments[0])
            if name == "monthname":
                return Call("month_name", (Call("month_start", (of,), "date"),), "text")
            return Call("weekday_name", (self._date(of),), "text")
        if name in _PARTS and len(arguments) == 1:
            return self._part(node, name, arguments[0])
        said = _written_name(self.text, node) or name
        raise self.refuse(
            node,
            f"the function {said}",
            did_you_mean(said, [*_PARTS, "date_trunc", "strftime", "count", "sum", "avg"]).lstrip(
                "; "
            )
            or f"what is understood: {UNDERSTOOD}",
        )

    def _moment_of(self, node: exp.Expr, of: exp.Expr) -> Expression:
        found = self.read(of)
        if found.kind not in ("instant", "date"):
            raise self.refuse(of, f"a part of {WORDS[found.kind]}", "created_at has parts")
        return found

    @staticmethod
    def _date(of: Expression) -> Expression:
        return Call("date", (of,), "date") if of.kind == "instant" else of

    def _part(self, node: exp.Expr, unit: str, of: exp.Expr) -> Expression:
        if unit not in _PARTS:
            raise self.refuse(node, f"the part {unit}", f"parts are {', '.join(_PARTS)}")
        return Call(_PARTS[unit], (self._moment_of(node, of),), "int")

    def _start_of(self, node: exp.Expr, unit: str, of: exp.Expr) -> Expression:
        if unit not in _STARTS:
            raise self.refuse(node, f"date_trunc to {unit}", f"units are {', '.join(_STARTS)}")
        moment = self._moment_of(node, of)
        return Call(_STARTS[unit], (moment,), "instant" if unit == "hour" else "date")

    def _strftime(self, node: exp.Expr, of: exp.Expr, pattern: exp.Expr) -> Expression:
        text = str(pattern.this) if isinstance(pattern, exp.Literal) else "%?"
        rest = text
        for sign in evaluate.FORMATS:
            rest = rest.replace(sign, "")
        if "%" in rest:
            raise self.refuse(
                pattern, f"the format {text!r}", f"of {', '.join(evaluate.FORMATS)}, as '%Y-%m'"
            )
        moment = self._moment_of(node, of)
        if moment.kind == "instant":
            part = evaluate.coarsest(text)
            kind = "instant" if part == "hour_start" else "date"
            moment = Call(part, (moment,), kind)
        return Call("format", (moment, Literal(text, "text")), "text")

    def _round(self, node: exp.Expr) -> Expression:
        of, decimals = self.read(node.this), node.args.get("decimals")
        places = Literal(0, "int") if decimals is None else self._read(decimals)
        if not isinstance(places, Literal) or not isinstance(places.value, int):
            raise self.refuse(node, "round to what is no constant", "round(x, 2)")
        if of.kind not in ("average", "amount") or not 0 <= places.value <= 6:
            raise self.refuse(node, f"round of {WORDS[of.kind]}", "round(avg(x), 2)")
        return Call("round", (of, places), of.kind)

    # Aggregates.

    def _filtered(self, node: exp.Filter) -> Expression:
        aggregate: exp.Expr = node.this
        if type(aggregate) not in _MEASURES:
            raise self.refuse(node, "FILTER of something else", "count(*) FILTER (WHERE ...)")
        return self._measure(aggregate, node.expression.this)

    def _measure(self, node: exp.Expr, only: exp.Expr | None) -> Expression:
        measures = self.measures
        if measures is None:
            raise self.refuse(
                node, "an aggregate where rows are not grouped yet", "HAVING filters groups"
            )
        self.measures = None
        try:
            condition = None if only is None else self.condition(only)
            measure = self._measure_of(node, condition)
        finally:
            self.measures = measures
        if measure not in measures:
            measures.append(measure)
        return Column(GROUP, f"m{measures.index(measure)}", measure.kind)

    def _measure_of(self, node: exp.Expr, only: Expression | None) -> Measure:
        function = _MEASURES[type(node)]
        of = node.this
        if isinstance(of, exp.Star) or of is None:
            return Measure(function, None, only)
        if isinstance(of, exp.Distinct):
            if len(of.expressions) != 1 or function != "count":
                raise self.refuse(node, "DISTINCT here", "count(DISTINCT x)")
            return Measure("distinct", self.read(of.expressions[0]), only)
        if node.args.get("expressions"):
            raise self.refuse(node, "an aggregate of several values", "one aggregate a column")
        value = self.read(of)
        if function in ("sum", "average"):
            if value.kind not in ("int", "amount"):
                raise self.refuse(of, f"a {node.key} of {WORDS[value.kind]}", "count(x)")
            if any(_is_id(column) for column in _added(value)):
                raise self.refuse(of, f"a {node.key} of ids", "count(x), or count(DISTINCT x)")
        elif function in ("min", "max") and value.kind in ("bool", "time"):
            raise self.refuse(of, f"{function} of {WORDS[value.kind]}", "count(*) FILTER (WHERE x)")
        return Measure(function, value, only)


def _added(value: Expression) -> Iterator[Column]:
    """The columns whose values are added up."""
    if isinstance(value, Column):
        yield value
    elif isinstance(value, Call):
        taken = value.arguments
        if value.function == "case":
            taken = (*value.arguments[1:-1:2], value.arguments[-1])
        elif value.kind == "int" and value.function not in ("+", "-", "*", "negative", "coalesce"):
            return
        for each in taken:
            yield from _added(each)


def _is_id(column: Column) -> bool:
    return any(
        each.name == column.name and each.kind is Kind.ID for each in CATALOG[column.table].columns
    )


def _arguments(node: exp.Expr) -> Iterator[object]:
    for value in node.args.values():
        if isinstance(value, list):
            yield from value
        elif value is not None:
            yield value


def _example(kind: str) -> str:
    return {
        "date": "birthdate >= '2000-01-31'",
        "instant": "created_at >= '2024-01-31 07:00:00'",
        "time": "created_at::time >= '07:00:00'",
        "text": "city = 'Kajang'",
        "int": "year(created_at) = 2024",
        "amount": "final_amount >= 75.5",
    }.get(kind, "")


def _start(node: exp.Expr | None) -> int | None:
    """Where in the text a node begins, as far as the parser says."""
    if node is None:
        return None
    starts = [each.meta["start"] for each in node.walk() if "start" in each.meta]
    if starts:
        return int(min(starts))
    return None if node.parent is None else _start(node.parent)


def _written_name(text: str, node: exp.Expr) -> str:
    start, end = node.meta.get("start"), node.meta.get("end")
    return "" if start is None or end is None else text[start : end + 1].lower()


def refusal(name: str, text: str, start: int | None, what: str, instead: str) -> QuestionRefused:
    """What is refused of a text, and where."""
    if start is None:
        return QuestionRefused(name, what, instead)
    line = text.count("\n", 0, start) + 1
    column = start - text.rfind("\n", 0, start)
    return QuestionRefused(name, what, instead, line, column)
