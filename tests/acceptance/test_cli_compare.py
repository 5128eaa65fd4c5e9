"""`coffeeshop compare`: sessions, folders, years; and DuckDB's answer over the data itself."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest
from click.testing import CliRunner

import coffeeshop
from coffeeshop.cli import cli
from coffeeshop.formats import to_csv
from tests.acceptance.command import Run, ok
from tests.questions.comparing import compare
from tests.questions.data import Tables, database_of, tables, write
from tests.running import Running, running

BY_DAY = (
    "select isodow(created_at) as day, store_id, count(*) as sales, sum(final_amount) as revenue "
    "from transactions where quarter(created_at) = {quarter} group by all"
)
JOINED = f"""
select coalesce(a.day, b.day) as day, coalesce(a.store_id, b.store_id) as store_id,
       a.sales, b.sales, b.sales - a.sales, a.revenue, b.revenue, b.revenue - a.revenue
from ({BY_DAY.format(quarter=1)}) a
full join ({BY_DAY.format(quarter=4)}) b on a.day = b.day and a.store_id = b.store_id
"""


@pytest.fixture(scope="module")
def system() -> Iterator[Running]:
    with running() as made:
        yield made


@pytest.fixture(scope="module")
def data() -> Tables:
    made = tables(random.Random("compare 7"))
    assert len(made["transactions"][1]) > 50
    return made


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, data: Tables) -> Path:
    made = tmp_path_factory.mktemp("compare")
    write(made, data, "plain", random.Random(1))
    return made


def test_two_periods_differ_as_duckdb_says_by_sessions_and_by_the_command(
    system: Running, run: Run, folder: Path, data: Tables, tmp_path: Path
) -> None:
    with coffeeshop.Client(system.url) as client:
        last, this = (
            client.submit(folder, questions={"mine": BY_DAY.format(quarter=n)}, name=f"quarter {n}")
            for n in (1, 4)
        )
    mine = coffeeshop.compare(last, this)["mine"]
    assert mine.column_names[:2] == ["day", "store_id"]
    exact = mine.drop_columns(["sales_percent", "revenue_percent"])
    with database_of(data) as database:
        compare(JOINED, exact, database.execute(JOINED).fetchall(), ordered=False)
    assert mine.num_rows > 5

    ids = (last.session_id[:10], "quarter 4")  # the beginning of an id, and a name
    out = ok(run("compare", *ids, "--gateway", system.url, "--format", "csv", "-o", "-"))
    assert out.encode() == to_csv(mine)
    last.write(tmp_path / "last")
    mixed = run("compare", str(tmp_path / "last"), ids[1], "--gateway", system.url, "--rows", "2")
    assert f"2 of {mine.num_rows:,} rows" in ok(mixed)


def test_years_of_the_four_questions_meet(run: Run, folder: Path, tmp_path: Path) -> None:
    with coffeeshop.Client("memory:") as client:
        results = client.submit(folder, years="2023-2024", hours="00:00-23:59:59")
    results.write(tmp_path / "all")
    done = run("compare", str(tmp_path / "all"), "--years", "2023", "2024", "--json")
    shown = json.loads(ok(done))
    assert "query1 is left out: none of its key columns tells the year" in done.stderr
    wanted = sorted(
        (*row["year_half_created_at"].split("-"), row["store_name"], row["tpv"])
        for row in results.query3.to_pylist()
    )
    assert {"2023", "2024"} == {row[0] for row in wanted}
    told = sorted(
        (year, row["year_half_created_at"], row["store_name"] or "", Decimal(row[side]))
        for year, side in (("2023", "tpv_a"), ("2024", "tpv_b"))
        for row in shown["query3"]
        if row[side] is not None
    )
    assert told == wanted


def test_a_comparison_is_written_as_results_are(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("month,sales\n2024-01,3\n2025-01,4\n")
    for file_format, name in (("csv", "a.csv"), ("json", "a.json"), ("xlsx", "a.xlsx")):
        wanted = ["--years", "2024", "2025", "--format", file_format, "-o", str(tmp_path / "made")]
        done = CliRunner().invoke(cli, ["compare", str(tmp_path / "a.csv"), *wanted])
        assert done.output.strip() == str(tmp_path / "made" / name)
    written = (tmp_path / "made" / "a.csv").read_text()
    assert written == "month,sales_a,sales_b,sales_difference,sales_percent\n01,3,4,1,33.33\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("here",), "what is it compared with? Name B, or say --years or --period"),
        (("no/folder", "here"), "there is no folder and no file no/folder"),
        (("here", "here", "-o", "x"), "--format table prints: with --output-dir say another"),
        (("here", "here", "--query", "quary"), "no result 'quary'; did you mean 'query'?"),
        (("here", "here", "--years", "24", "25"), "years are two, each of four digits"),
        (("here", "here", "--period", "x", "1", "2"), "query: it has no column x"),
    ],
)
def test_what_makes_no_sense_is_refused(
    tmp_path: Path, arguments: tuple[str, ...], message: str
) -> None:
    (tmp_path / "here").mkdir(exist_ok=True)
    (tmp_path / "here" / "query.csv").write_text("month,sales\n2024-01,3\n")
    named = [str(tmp_path / each) if each == "here" else each for each in arguments]
    done = CliRunner().invoke(cli, ["compare", *named])
    assert isinstance(done.exception, coffeeshop.UsageError)
    assert message in str(done.exception)
