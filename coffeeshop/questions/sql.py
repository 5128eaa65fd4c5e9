"""DuckDB's SQL read into the declared form of a question.

Understood is one table of facts, joined with dimension tables by their ids, with WHERE, GROUP BY,
HAVING, QUALIFY row_number(), ORDER BY and LIMIT. Everything else is refused: with the line and
column in the text, and what would work instead. A text is read once, by who takes it from a user;
what travels is the form.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

import sqlglot
from sqlglot import exp
from sqlglot.errors import ParseError, TokenError

from coffeeshop.errors import QuestionRefused
from coffeeshop.questions.asking import QUESTION_NAME
from coffeeshop.questions.form import (
    GROUP,
    Answer,
    Call,
    Column,
    Expression,
    Join,
    Measure,
    Order,
    Question,
    Top,
    all_of,
    columns_of,
    conjuncts,
)
from coffeeshop.questions.sql_expressions import Reader, refusal
from coffeeshop.schema import CATALOG, IDS
from coffeeshop.suggestions import did_you_mean

LONGEST = 10_000
"""Characters of a text."""
MOST_COLUMNS = 50
_UNDERSTOOD = (
    "SELECT ... FROM one table JOIN dimensions WHERE ... GROUP BY ... HAVING ... "
    "QUALIFY row_number() OVER (...) <= n ORDER BY ... LIMIT n"
)
_CLAUSES = {
    "expressions": "",
    "from_": "",
    "joins": "",
    "where": "",
    "group": "",
    "having": "",
    "qualify": "",
    "order": "",
    "limit": "",
    "offset": "",
    "distinct": "",
    "with_": "WITH",
    "sample": "TABLESAMPLE",
    "windows": "WINDOW",
    "laterals": "LATERAL",
    "pivots": "PIVOT",
    "into": "INTO",
}


def question_of(text: str, name: str) -> Question:
    """The question that a text asks. Raises `QuestionRefused`."""
    if re.fullmatch(QUESTION_NAME, name) is None:
        raise QuestionRefused(
            name[:80], "the name of the question", "small letters, digits and _: sales_by_hour"
        )
    if name in CATALOG:
        raise QuestionRefused(name, "a question called as a table is", f"{name}_by_month")
    if len(text) > LONGEST:
        raise QuestionRefused(name, f"a text of {len(text)} characters", f"up to {LONGEST}")
    return _Statement(text, name).question()


def _parsed(text: str, name: str) -> exp.Select:
    try:
        found = [each for each in sqlglot.parse(text, read="duckdb") if each is not None]
    except ParseError as error:
        first = error.errors[0] if error.errors else {}
        said = str(first.get("description") or "cannot be read").partition(" but got <Token")[0]
        said = re.sub(r"<class '.*\.(\w+)'>", r"\1", said)
        place = _offset(text, first.get("line"), first.get("col"), first.get("highlight"))
        raise refusal(name, text, place, said.lower(), _UNDERSTOOD) from None
    except (TokenError, RecursionError):
        raise refusal(name, text, _unclosed(text), "a quote that is not closed", "'text'") from None
    if not found:
        raise QuestionRefused(name, "an empty text", _UNDERSTOOD)
    statement = found[0]
    if len(found) > 1:
        raise refusal(name, text, _start_of(found[1]), "a second statement", "one text a question")
    if not isinstance(statement, exp.Select):
        what = type(statement).__name__.upper()
        start = len(text) - len(text.lstrip())
        if isinstance(statement, exp.SetOperation):
            second = statement.expression
            start = _start_of(second) or start
        raise refusal(name, text, start, f"{what}", _UNDERSTOOD)
    return statement


def _start_of(node: exp.Expr) -> int | None:
    starts = [each.meta["start"] for each in node.walk() if "start" in each.meta]
    return min(starts) if starts else None


def _offset(text: str, line: object, column: object, highlight: object) -> int | None:
    """The parser counts columns at the end of what it stopped at."""
    if not isinstance(line, int) or not isinstance(column, int):
        return None
    lines = text.split("\n")
    before = sum(len(each) + 1 for each in lines[: line - 1])
    return max(0, before + column - len(str(highlight or " ")))


def _unclosed(text: str) -> int:
    return max(text.rfind("'"), text.rfind('"'), 0)


class _Statement:
    """One SELECT being read."""

    def __init__(self, text: str, name: str) -> None:
        self._text, self._name = text, name
        self._select = _parsed(text, name)
        self._reader = Reader(text, name)
        self._measures: list[Measure] = []
        self._keys: list[Expression] = []

    def question(self) -> Question:
        self._check_clauses()
        table, joins = self._tables()
        items = list(self._items())
        grouped = self._is_grouped(items)
        where, where_joined = self._where(table, joins)
        if grouped:
            self._keys = self._group_keys(items)
        self._reader.measures = self._measures if grouped else None
        answers = tuple(Answer(name, self._told(node, grouped)) for name, node in items)
        self._reader.aliases = dict(items)
        having = self._having()
        self._reader.aliases_first = True
        top = self._top(grouped)
        order = tuple(self._order(grouped, [node for _, node in items]))
        question = Question(
            self._name,
            table,
            answers,
            tuple(self._keys),
            tuple(self._measures),
            tuple(joins),
            where,
            where_joined,
            having,
            top,
            order,
            self._number("limit"),
            self._number("offset") or 0,
            grouped,
            self._text,
        )
        return replace(question, joins=tuple(_needed(question)))

    def _refuse(self, node: exp.Expr | None, what: str, instead: str = "") -> QuestionRefused:
        return self._reader.refuse(node, what, instead)

    def _check_clauses(self) -> None:
        for clause, value in self._select.args.items():
            if value and clause not in _CLAUSES:
                node = value if isinstance(value, exp.Expr) else None
                raise self._refuse(node, clause.strip("_").upper(), _UNDERSTOOD)
            if value and _CLAUSES.get(clause):
                node = value[0] if isinstance(value, list) else value
                raise self._refuse(node, _CLAUSES[clause], _UNDERSTOOD)

    # FROM and JOIN.

    def _tables(self) -> tuple[str, list[Join]]:
        source = self._select.args.get("from_")
        if source is None:
            raise self._refuse(None, "a query without FROM", f"FROM {' or '.join(CATALOG)}")
        table = self._table(source.this)
        joins = [self._join(table, join) for join in self._select.args.get("joins") or ()]
        return table, joins

    def _table(self, node: exp.Expr) -> str:
        if isinstance(node, exp.Subquery | exp.Select):
            raise self._refuse(node, "a query in FROM", "name a table")
        if not isinstance(node, exp.Table) or not isinstance(node.this, exp.Identifier):
            raise self._refuse(node, f"{node.sql('duckdb')!r}", f"FROM {' or '.join(CATALOG)}")
        name = node.name.lower()
        if node.args.get("db") or name not in CATALOG:
            meant = did_you_mean(name, CATALOG).lstrip("; ")
            raise self._refuse(
                node, f"no table {node.sql('duckdb')}", meant or f"there are {', '.join(CATALOG)}"
            )
        odd = [key for key in ("joins", "pivots", "sample", "laterals") if node.args.get(key)]
        if odd:
            raise self._refuse(node, odd[0].upper(), _UNDERSTOOD)
        called = (node.alias or name).lower()
        if called in self._reader.tables or name in self._reader.tables.values():
            raise self._refuse(node, f"{name} a second time", "each table once")
        self._reader.tables[called] = name
        return name

    def _join(self, fact: str, node: exp.Join) -> Join:
        side, kind = str(node.args.get("side") or ""), str(node.args.get("kind") or "")
        if side not in ("", "LEFT") or kind not in ("", "INNER", "OUTER"):
            raise self._refuse(
                node, " ".join(filter(None, (side, kind, "JOIN"))), "JOIN or LEFT JOIN"
            )
        if node.args.get("method"):
            raise self._refuse(node, f"{node.args['method']} JOIN", "JOIN ... USING (store_id)")
        table = self._table(node.this)
        if table not in IDS:
            raise self._refuse(
                node.this,
                f"a join with {table}",
                f"dimensions are {', '.join(IDS)}; of two tables of facts ask two questions",
            )
        key = IDS[table]
        using, on = node.args.get("using") or [], node.args.get("on")
        if len(using) == 1 and using[0].name.lower() == key:
            column = self._fact_id(fact, using[0], key)
            if node.args.get("on") is None:
                self._merge(fact, key, table)
            return Join(table, key, column, side == "LEFT")
        fact_called = next(called for called, name in self._reader.tables.items() if name == fact)
        example = f"ON {fact_called}.{_likely(fact, key)} = {table}.{key}"
        if using or not isinstance(on, exp.EQ):
            raise self._refuse(on or (using or [node.this])[0], "this condition of a join", example)
        sides = [self._reader.read(on.left), self._reader.read(on.right)]
        sides.sort(key=lambda each: not (isinstance(each, Column) and each.table == fact))
        mine, its = sides
        if (
            isinstance(mine, Column)
            and isinstance(its, Column)
            and (mine.table, its.table, its.name) == (fact, table, key)
            and mine.kind == "int"
        ):
            return Join(table, key, mine.name, side == "LEFT")
        raise self._refuse(on, "this condition of a join", example)

    def _fact_id(self, fact: str, node: exp.Expr, key: str) -> str:
        if any(column.name == key for column in CATALOG[fact].columns):
            return key
        raise self._refuse(node, f"no column {key} in {fact}", f"ON {_likely(fact, key)} = {key}")

    def _merge(self, fact: str, key: str, table: str) -> None:
        """After USING the key is one column: that of the facts."""
        self._reader.merged[key] = fact

    # SELECT, WHERE and GROUP BY.

    def _items(self) -> Iterator[tuple[str, exp.Expr]]:
        seen: set[str] = set()
        for node in self._select.expressions:
            inner = node.this if isinstance(node, exp.Alias) else node
            if isinstance(inner, exp.Star) or (
                isinstance(inner, exp.Column) and isinstance(inner.this, exp.Star)
            ):
                raise self._refuse(inner, "*", "name the columns: only those that are named travel")
            name = node.alias if isinstance(node, exp.Alias) else _called(inner, self._text)
            if name.lower() in seen:
                raise self._refuse(node, f"two columns {name}", "x AS another_name")
            seen.add(name.lower())
            yield name, inner
        if not seen:
            raise self._refuse(None, "SELECT of nothing", "SELECT store_id, count(*)")
        if len(seen) > MOST_COLUMNS:
            raise self._refuse(None, f"{len(seen)} columns", f"up to {MOST_COLUMNS}")

    def _is_grouped(self, items: list[tuple[str, exp.Expr]]) -> bool:
        select = self._select
        nodes = [node for _, node in items]
        nodes += [n for c in ("having", "qualify", "order") if (n := select.args.get(c))]
        return bool(
            select.args.get("group")
            or select.args.get("having")
            or select.args.get("distinct")
            or any(_has_aggregate(node) for node in nodes)
        )

    def _where(self, fact: str, joins: list[Join]) -> tuple[Expression | None, Expression | None]:
        node = self._select.args.get("where")
        if node is None:
            return None, None
        self._reader.aliases = {}
        condition = self._reader.condition(node.this)
        early: list[Expression] = []
        late: list[Expression] = []
        for each in conjuncts(condition):
            is_early = all(column.table == fact for column in columns_of(each))
            (early if is_early else late).append(each)
        return all_of(early), all_of(late)

    def _group_keys(self, items: list[tuple[str, exp.Expr]]) -> list[Expression]:
        group, distinct = self._select.args.get("group"), self._select.args.get("distinct")
        self._reader.aliases = dict(items)
        nodes: list[exp.Expr] = []
        if distinct:
            if distinct.args.get("on"):
                raise self._refuse(distinct, "DISTINCT ON", "QUALIFY row_number() OVER (...) = 1")
            if group or any(_has_aggregate(node) for _, node in items):
                raise self._refuse(distinct, "DISTINCT of groups", "groups are distinct already")
            nodes = [node for _, node in items]
        elif group is not None:
            odd = [k for k in ("cube", "rollup", "grouping_sets", "totals") if group.args.get(k)]
            if odd:
                raise self._refuse(group, odd[0].upper(), "GROUP BY columns")
            if group.args.get("all"):
                nodes = [node for _, node in items if not _has_aggregate(node)]
            else:
                nodes = [self._item(node, items) for node in group.expressions]
        found = [self._reader.read(node) for node in nodes]
        for node, key in zip(nodes, found, strict=True):
            if not any(True for _ in columns_of(key)):
                raise self._refuse(node, "a group of a constant", "GROUP BY a column")
        return list(dict.fromkeys(found))

    def _item(self, node: exp.Expr, items: list[tuple[str, exp.Expr]]) -> exp.Expr:
        """An expression, or the item of SELECT that a number stands for."""
        if not isinstance(node, exp.Literal) or node.is_string:
            return node
        place = int(node.this) if str(node.this).isdecimal() else 0
        if not 1 <= place <= len(items):
            raise self._refuse(node, f"column {node.this} of {len(items)}", "GROUP BY 1")
        return items[place - 1][1]

    # What reads groups.

    def _told(self, node: exp.Expr, grouped: bool) -> Expression:
        """An expression over keys and measures."""
        found = self._reader.read(node)
        if not grouped:
            if found not in self._keys:
                self._keys.append(found)
            return Column(GROUP, f"k{self._keys.index(found)}", found.kind)
        replaced = self._over_keys(found)
        left = [column for column in columns_of(replaced) if column.table]
        if left:
            raise self._refuse(
                _node_of(node, left[0].name),
                f"{left[0].name} is neither grouped by nor in an aggregate",
                f"GROUP BY {left[0].name}, or min({left[0].name})",
            )
        return replaced

    def _over_keys(self, found: Expression) -> Expression:
        if found in self._keys:
            return Column(GROUP, f"k{self._keys.index(found)}", found.kind)
        if isinstance(found, Call):
            arguments = tuple(self._over_keys(each) for each in found.arguments)
            return Call(found.function, arguments, found.kind)
        return found

    def _having(self) -> Expression | None:
        node = self._select.args.get("having")
        if node is None:
            return None
        found = self._told(node.this, True)
        if found.kind != "bool":
            raise self._refuse(node, "HAVING without a condition", "HAVING count(*) > 10")
        return found

    def _top(self, grouped: bool) -> Top | None:
        qualify = self._select.args.get("qualify")
        if qualify is None:
            return None
        example = "QUALIFY row_number() OVER (PARTITION BY x ORDER BY y DESC) <= 3"
        condition = qualify.this
        while isinstance(condition, exp.Paren):
            condition = condition.this
        window = condition.left if isinstance(condition, exp.Binary) else None
        if not isinstance(window, exp.Window) or not isinstance(window.this, exp.RowNumber):
            raise self._refuse(qualify, "this QUALIFY", example)
        odd = [k for k in ("spec", "over", "first", "alias") if window.args.get(k) and k != "over"]
        if odd or window.args.get("order") is None:
            raise self._refuse(window, "this window", example)
        number = condition.right
        n = int(number.this) if isinstance(number, exp.Literal) and number.this.isdigit() else 0
        match condition:
            case exp.LT():
                n -= 1
            case exp.EQ() if n == 1:
                pass
            case exp.LTE():
                pass
            case _:
                n = 0
        if n < 1:
            raise self._refuse(number, "this number of rows", example)
        per = tuple(self._told(each, grouped) for each in window.args.get("partition_by") or ())
        order = tuple(self._ordered(each, grouped) for each in window.args["order"].expressions)
        return Top(n, per, order)

    def _order(self, grouped: bool, items: list[exp.Expr]) -> Iterator[Order]:
        node = self._select.args.get("order")
        if node is None:
            return
        for each in node.expressions:
            by = each.this
            if isinstance(by, exp.Column) and by.name.lower() == "all" and not by.table:
                for item in items:
                    yield Order(
                        self._told(item, grouped),
                        bool(each.args.get("desc")),
                        bool(each.args.get("nulls_first")),
                    )
                continue
            if isinstance(by, exp.Literal) and not by.is_string:
                pairs = [("", item) for item in items]
                each.set("this", self._item(by, pairs).copy())
            yield self._ordered(each, grouped)

    def _ordered(self, node: exp.Expr, grouped: bool) -> Order:
        if not isinstance(node, exp.Ordered):
            return Order(self._told(node, grouped))
        return Order(
            self._told(node.this, grouped),
            bool(node.args.get("desc")),
            bool(node.args.get("nulls_first")),
        )

    def _number(self, clause: str) -> int | None:
        node = self._select.args.get(clause)
        if node is None:
            return None
        value = node.expression
        if isinstance(value, exp.Literal) and not value.is_string and value.this.isdecimal():
            return int(value.this)
        raise self._refuse(node, f"{clause.upper()} of no whole number", f"{clause.upper()} 10")


def _needed(question: Question) -> Iterator[Join]:
    """The joins that change the answer: an outer one of which nothing is read does not."""
    for join in question.joins:
        if not join.outer or len(question.columns(join.table)) > 1 or _reads(question, join):
            yield join


def _reads(question: Question, join: Join) -> bool:
    return any(
        column.table == join.table for each in question.expressions() for column in columns_of(each)
    )


def _has_aggregate(node: exp.Expr) -> bool:
    """Whether an aggregate is in it that is none of a window."""
    return any(
        isinstance(each, exp.Count | exp.Sum | exp.Min | exp.Max | exp.Avg)
        and not isinstance(each.parent, exp.Window)
        for each in node.walk()
    )


def _called(node: exp.Expr, text: str) -> str:
    """What a column of the answer is called that has no name of its own."""
    if isinstance(node, exp.Column):
        return str(node.name)
    name = re.sub(r"[^a-z0-9]+", "_", node.sql("duckdb").lower()).strip("_")
    return name[:60] or "value"


def _likely(fact: str, key: str) -> str:
    return "payment_method_id" if key == "method_id" else key


def _node_of(node: exp.Expr, name: str) -> exp.Expr:
    return next((c for c in node.find_all(exp.Column) if c.name.lower() == name), node)
