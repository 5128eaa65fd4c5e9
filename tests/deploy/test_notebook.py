"""The notebook of the examples: all of its cells run, and show what they say."""

from __future__ import annotations

import ast
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest

import coffeeshop
from tests.deploy.stack import ROOT

NOTEBOOK = ROOT / "examples" / "analysis.ipynb"


def cells() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]
    return found


def run(source: str, names: dict[str, Any]) -> Any:
    """Run a cell as a notebook does: the value of its last expression is what it shows."""
    tree = ast.parse(source)
    last = tree.body[-1]
    value = ast.Expression(tree.body.pop().value) if isinstance(last, ast.Expr) else None  # type: ignore[attr-defined]
    exec(compile(tree, "cell", "exec"), names)
    return None if value is None else eval(compile(value, "cell", "eval"), names)


def test_the_notebook_is_kept_without_what_it_showed() -> None:
    kept = [cell for cell in cells() if cell["cell_type"] == "code"]
    assert kept
    assert all(cell["outputs"] == [] and cell["execution_count"] is None for cell in kept)


def test_every_cell_runs_and_its_answers_are_those_of_duckdb(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("COFFEESHOP_GATEWAY", raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", "/nonexistent")
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    names: dict[str, Any] = {}
    shown = {
        cell["id"]: run("".join(cell["source"]), names)
        for cell in cells()
        if cell["cell_type"] == "code"
    }
    assert isinstance(shown["four-answers"], coffeeshop.Results)
    assert capsys.readouterr().out.count("\n") == 8, "two times four sentences"
    for name in ("charts-week", "charts-months", "compare-chart"):
        assert json.loads(shown[name].to_json())["datasets"], "a valid chart, with data in it"
    assert [file.suffix for file in shown["keep-files"]] == [".xlsx"]

    with duckdb.connect() as engine:
        for table in ("transactions", "stores"):
            file = str(names["DATA"] / table / "*.csv")
            engine.execute(f"create view {table} as from read_csv('{file}')")
        engine.execute("create macro cents(x) as cast(x as decimal(38, 3))")
        for name in ("week", "customers"):
            text = names["QUESTIONS"][name].replace("sum(final_amount)", "sum(cents(final_amount))")
            expected = engine.execute(text).fetchall()
            assert rows_of(names["own"][name]) == expected
    sides = {row[0]: row for row in rows_of(names["compared"]["customers"])}
    columns = names["compared"]["customers"].column_names
    for year, customer, sales, revenue in rows_of(names["own"]["customers"]):
        side = {2024: "a", 2025: "b"}.get(year)
        if side is not None:
            assert sides[customer][columns.index(f"sales_{side}")] == sales
            assert Decimal(sides[customer][columns.index(f"revenue_{side}")]) == revenue


def rows_of(table: pa.Table) -> list[tuple[Any, ...]]:
    return [tuple(row.values()) for row in table.to_pylist()]
