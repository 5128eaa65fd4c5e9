"""The checks of a session's data against DuckDB's over the same rows, with planted faults."""

from __future__ import annotations

import random
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import coffeeshop
from coffeeshop.errors import UsageError
from coffeeshop.generate import generate
from coffeeshop.names import QUERIES
from coffeeshop.parameters import Parameters
from coffeeshop.pipeline.messages import Assignment, SessionSpec, TaskId
from coffeeshop.pipeline.plan import plan_of
from coffeeshop.questions.asking import questions_of
from coffeeshop.questions.quality import sentences
from tests.acceptance.command import Run
from tests.questions.data import Tables, database_of, tables, write
from tests.questions.running import answers
from tests.running import Running, running

OWN = questions_of([("sales", "select count(*) as n from transactions")])
CHECKS = {
    "repeated_transaction_id": (
        "transactions",
        "select transaction_id id, count(*) n, n > 1 wrong from transactions group by all",
    ),
    "items_do_not_add_up": (
        "transactions",
        """select s.id, 1 n, s.amount <> b.amount wrong
        from (select transaction_id id, any_value(original_amount) amount from transactions
              group by id having count(*) = 1) s
        join (select transaction_id id, sum(subtotal) amount from transaction_items group by id) b
        using (id) where s.amount is not null""",
    ),
    "sale_without_items": (
        "transactions",
        """select transaction_id id, 1 n, not exists (
            from transaction_items i where i.transaction_id = t.transaction_id) wrong
        from transactions t""",
    ),
    "item_without_sale": (
        "transaction_items",
        """select transaction_id id, 1 n, not exists (
            from transactions t where i.transaction_id = t.transaction_id) wrong
        from transaction_items i""",
    ),
    **{
        f"unknown_{name}": (
            facts,
            f"""select {name}_id id, 1 n, {name}_id is not null and not exists (
                from {table} d where f.{name}_id = d.{name}_id) wrong from {facts} f""",
        )
        for name, table, facts in (
            ("store", "stores", "transactions"),
            ("user", "users", "transactions"),
            ("item", "menu_items", "transaction_items"),
        )
    },
}


def planted(chance: random.Random) -> Tables:
    """Random tables in which half of the sales add up, and every kind of fault can occur."""
    data = tables(chance)
    columns, sales = data["transactions"]
    _, items = data["transaction_items"]
    for item in items:
        item[0] = chance.choice([item[0], item[0], sales[0][0] if sales else None, None])
    for sale in sales:
        own = [str(item[4]) for item in items if item[0] == sale[0]]
        if own and chance.random() < 0.5:
            total = sum(round(float(each) * 1000) for each in own)
            total += chance.choice([0, 0, 0, 1, -1])
            sign = "-" if total < 0 else ""
            sale[columns.index("original_amount")] = (
                f"{sign}{abs(total) // 1000}.{abs(total) % 1000:03d}"
            )
    return data


def told_by_duckdb(data: Tables) -> list[dict[str, Any]]:
    found = []
    with database_of(data) as database:
        for check, (table, text) in CHECKS.items():
            row = database.execute(
                f"""select coalesce(sum(n), 0)::bigint, coalesce(sum(n) filter (wrong), 0)::bigint,
                count(distinct coalesce(id::varchar, '(none)')) filter (wrong) from ({text})"""
            ).fetchone()
            ids = database.execute(
                f"select distinct id from ({text}) where wrong order by id nulls last limit 5"
            ).fetchall()
            assert row is not None
            found.append(
                {
                    "check": check,
                    "table": table,
                    "rows_checked": row[0],
                    "rows_found": row[1],
                    "ids_found": row[2],
                    "examples": ", ".join("(none)" if i is None else str(i) for (i,) in ids),
                }
            )
    return found


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("questions", [(), OWN], ids=["the four", "own"])
def test_the_checks_find_what_duckdb_finds_whatever_comes_first(
    seed: int, questions: tuple[str, ...], tmp_path: Path
) -> None:
    chance = random.Random(f"quality {seed}")
    data = planted(chance)
    write(tmp_path, data, "plain", chance)
    plan = "fused" if questions else chance.choice(["fused", "staged"])
    spec = SessionSpec(
        str(uuid.uuid4()), plan, 1, chance.choice([1, 2, 3]), questions=questions, quality=True
    )
    found = answers(tmp_path, spec, chance).tables["quality"].to_pylist()
    assert found == told_by_duckdb(data)


def test_the_generated_rows_have_every_kind_of_fault() -> None:
    found: dict[str, int] = dict.fromkeys(CHECKS, 0)
    for seed in range(8):
        for row in told_by_duckdb(planted(random.Random(f"quality {seed}"))):
            found[row["check"]] += row["rows_found"]
    assert all(found.values()), found


@pytest.mark.parametrize("plan", ["fused", "staged"])
def test_checks_change_no_answer(plan: str, tmp_path: Path) -> None:
    chance = random.Random("quality changes nothing")
    data = planted(chance)
    write(tmp_path, data, "kaggle", chance)
    asked = Parameters.of(min_amount="1").text()
    spec = SessionSpec(str(uuid.uuid4()), plan, parameters=asked)
    checked = SessionSpec(str(uuid.uuid4()), plan, parameters=asked, quality=True)
    without, having = (answers(tmp_path, each, chance) for each in (spec, checked))
    assert without.tables["query1"].num_rows
    assert {name: having.tables[name] for name in without.tables} == without.tables


def test_without_checks_no_more_travels_than_before() -> None:
    plan = plan_of(SessionSpec("s"))
    assert "quality" not in plan.results
    assert "transaction_id" in plan.late_columns("transactions").columns
    assert "transaction_id" not in [c.name for c in plan.table("transaction_items").columns]
    checked = plan_of(SessionSpec("s", quality=True))
    assert "transaction_id" not in checked.late_columns("transactions").columns
    assert "transaction_id" in [c.name for c in checked.table("transaction_items").columns]


def test_an_assignment_carries_that_its_session_checks_its_data() -> None:
    spec = SessionSpec("s", quality=True)
    assert Assignment.from_bytes(Assignment(spec, TaskId("s", "f", 0)).to_bytes()).spec == spec
    assert spec.fields()["version"] == 2
    assert "quality" not in SessionSpec("s").fields()


def test_a_question_that_is_called_as_the_checks_is_refused_beside_them() -> None:
    own = questions_of([("quality", "select count(*) as n from transactions")])
    with pytest.raises(UsageError, match="a question is called quality"):
        plan_of(SessionSpec("s", questions=own, quality=True))


def test_a_sentence_names_what_was_found_and_a_few_ids(tmp_path: Path) -> None:
    chance = random.Random("quality 3")
    data = tables(chance)
    columns, sales = data["transactions"]
    row = ["x", "99", "1", None, None, "10.000", None, "10.000", "2024-05-05 10:00:00"]
    named = dict(zip(sorted(columns, key=columns.index), row, strict=True))
    del sales[:]
    for number in range(6):
        sales.append([f"t{number}" if c == "transaction_id" else named[c] for c in columns])
    data["transaction_items"][1].clear()
    data["stores"][1].clear()
    write(tmp_path, data, "plain", chance)
    found = answers(tmp_path, SessionSpec(str(uuid.uuid4()), quality=True), chance)
    assert sentences(found.tables["quality"]) == [
        "6 sales have no items: t0, t1, t2, …",
        "6 sales name 1 stores without a row in stores: 99",
    ]


@pytest.fixture(scope="module")
def system() -> Iterator[Running]:
    with running() as made:
        yield made


def test_a_gateway_keeps_the_checks_with_the_results_of_a_session(
    system: Running, tmp_path: Path
) -> None:
    chance = random.Random("quality by a gateway")
    data = planted(chance)
    write(tmp_path, data, "plain", chance)
    with coffeeshop.Client(system.url) as client:
        session = client.submit(tmp_path, quality=True, wait=False)
        found = session.result(60)
        known = session.info()
    assert found.quality.to_pylist() == told_by_duckdb(data)
    assert known["quality"] is True
    assert set(known["results"]) == {*QUERIES, "quality"}
    with coffeeshop.Client("memory:") as here:
        assert here.submit(tmp_path, quality=True).quality == found.quality


def test_people_see_the_checks_in_the_report_on_the_terminal_and_behind_the_command(
    tmp_path: Path, run: Run
) -> None:
    generate(tmp_path / "shop", transactions=50, seed=4)
    store = tmp_path / "shop" / "stores" / "stores_0000.csv"
    store.write_text("".join(store.read_text().splitlines(keepends=True)[:-1]))
    report = tmp_path / "report.html"
    done = run("submit", str(tmp_path / "shop"), "--quality", "--show", "--report", str(report))
    assert done.returncode == 0, done.stderr
    assert "data  the items of" in done.stdout
    assert "sales name 1 stores without a row in stores: 10" in done.stdout
    assert "Sales whose items do not add up" in done.stdout
    assert "<td>Unknown stores</td>" in report.read_text()
