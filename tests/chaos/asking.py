"""What sessions of a campaign ask: parameters, questions of the gallery, and random ones in SQL.

DuckDB says what is right: to the same text over the same files, or for the four questions with
other parameters. Everything is a function of the chance that is given.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

import duckdb
import pyarrow as pa

from coffeeshop.formats import to_csv
from coffeeshop.parameters import Parameters
from coffeeshop.questions.asking import questions_of
from coffeeshop.questions.gallery import ready
from coffeeshop.schema import CATALOG
from coffeeshop.testing.chaos import Asked, Oracle
from tests.oracle import answers, with_parameters
from tests.questions.comparing import compare, unrounded
from tests.questions.data import kind_of
from tests.questions.grammar import Grammar

MOST_TRANSACTIONS = 20_000
"""Of a data set of which questions in SQL are asked: their answers are compared row by row."""
MORE = {
    "payment_methods": "method_id,method_name,category\n1,Cash,cash\n3,Card,card\n4,,card\n",
    "vouchers": "voucher_id,voucher_code,discount_type,discount_value\n"
    + "".join(f"{n},v{n},percentage,{n}.500\n" for n in range(1, 40, 2)),
}
"""Tables that the example data does not have."""
RESULTS = {
    "query1": ("query1",),
    "query2": ("query2_best_selling", "query2_most_profitable"),
    "query3": ("query3",),
    "query4": ("query4",),
}


class Asking:
    """Asks for the sessions of a campaign, from any of its threads."""

    def __init__(self) -> None:
        self._databases: dict[Path, duckdb.DuckDBPyConnection] = {}

    def prepared(self, oracle: Oracle) -> Oracle:
        """An oracle that also makes a folder ready for questions in SQL."""

        def ask(folder: Path) -> dict[str, str]:
            for table, text in MORE.items():
                (folder / f"{table}.csv").write_text(text)
            self._databases[folder] = database_of(folder)
            return oracle(folder)

        return ask

    def __call__(self, chance: random.Random, folder: Path) -> Asked | None:
        """None in two of five: then it is the four as they have always been."""
        way = chance.randrange(5)
        if way < 2:
            return None
        parameters = _parameters(chance) if way < 4 and chance.random() < 0.7 else Parameters()
        database = self._databases[folder].cursor()
        count = database.execute("select count(*) from transactions").fetchone()
        assert count is not None
        if way == 2 or count[0] > MOST_TRANSACTIONS:
            return Asked(parameters.text(), (), lambda tables: _four(folder, parameters, tables))
        own = _texts(chance)
        four = chance.sample(list(RESULTS), chance.randrange(1, 4)) if way == 3 else []
        named = [*((name, "") for name in four), *own.items()]
        chance.shuffle(named)

        def wrong(tables: Mapping[str, pa.Table]) -> list[str]:
            expected = {result for name in four for result in RESULTS[name]}
            if set(tables) != expected | set(own):
                return [f"its results are {sorted(tables)}"]
            known = {name: tables[name] for name in expected}
            return [*_four(folder, parameters, known), *_own(database, own, tables)]

        return Asked(parameters.text() if four else "", questions_of(named), wrong)


def _texts(chance: random.Random) -> dict[str, str]:
    """One to four questions by name."""
    grammar = Grammar(chance)
    found = {f"random{n}": grammar.question()[0] for n in range(chance.randrange(1, 4))}
    if chance.random() < 0.5:
        one = chance.choice(ready())
        found[one.name] = one.text
    return found


def _parameters(chance: random.Random) -> Parameters:
    first = chance.choice((2023, 2024, 2025))
    opening = chance.choice(("00:00", "06:00", "07:30:01"))
    closing = chance.choice(("23:59:59", "22:00", "12:00"))
    return Parameters.of(
        years=f"{first}-{first + chance.randrange(2)}",
        hours=f"{opening}-{closing}",
        min_amount=chance.choice(("0", "50", "74.999", "75")),
        top=chance.choice((1, 3, 10)),
    )


@lru_cache(maxsize=64)
def _right(folder: Path, parameters: Parameters) -> dict[str, str]:
    """The four's files."""
    opening, closing = parameters.hours.split("-")
    years = parameters.first_year, parameters.last_year

    def changed(query: str) -> str:
        amount = parameters.min_amount
        return with_parameters(query, years, (opening, closing), amount, parameters.top)

    return answers(folder, changed)


def _four(folder: Path, parameters: Parameters, tables: Mapping[str, pa.Table]) -> list[str]:
    right = _right(folder, parameters)
    return [
        f"wrong: {name} with {parameters.text() or 'its usual parameters'}"
        for name, table in tables.items()
        if to_csv(table).decode() != right[f"{name}.csv"]
    ]


def _own(
    database: duckdb.DuckDBPyConnection, texts: Mapping[str, str], tables: Mapping[str, pa.Table]
) -> list[str]:
    found = []
    for name, text in texts.items():
        try:
            right = database.execute(unrounded(text)).fetchall()
            compare(text, tables[name], right, ordered=False)
        except AssertionError as error:
            found.append(f"wrong: {name}: {text}: {str(error)[:500]}")
    return found


def database_of(folder: Path) -> duckdb.DuckDBPyConnection:
    """The tables of a folder in DuckDB, from its files."""
    database = duckdb.connect(config={"threads": 1})
    for table, catalogued in CATALOG.items():
        names = [column.name for column in catalogued.columns]
        kinds = {name: _in_file(kind_of(name)) for name in names}
        cast = ", ".join(f"{name}::{kind_of(name)} as {name}" for name in names)
        is_folder = (folder / table).is_dir()
        source = folder / table / "*.csv" if is_folder else folder / f"{table}.csv"
        database.execute(
            f"create table {table} as select {cast} from read_csv('{source}', header = true,"
            f" nullstr = ['', 'NULL'], delim = ',', quote = '\"', escape = '\"', types = {kinds})"
        )
    return database


def _in_file(kind: str) -> str:
    return "DOUBLE" if kind == "BIGINT" else kind  # ids are written 34.0
