"""A report: what is in it, what can never run in it, how large it may be, how it is written."""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
import html
import json
import os
import re
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from coffeeshop import __version__
from coffeeshop.errors import BadData, UsageError
from coffeeshop.formats import to_csv
from coffeeshop.operators.final import RESULTS
from coffeeshop.reading.parse import Rejected
from coffeeshop.report import Run, check_place, place_of, run_of, write_report
from coffeeshop.report.figures import embedded, round_width, sizes
from coffeeshop.report.page import page

HOSTILE = '</script><!--<script>"\'&</style><img src=x onerror="alert(1)">\u2028'
MOMENT = dt.datetime(2026, 3, 1, 9, 30, tzinfo=dt.UTC)


def purchases(amounts: list[str]) -> pa.Table:
    ids = [f"id-{place:07d}" for place in range(len(amounts))]
    exact = pa.array([Decimal(amount) for amount in amounts], pa.decimal128(18, 3))
    return pa.table([ids, exact], schema=RESULTS["query1"])


def answers(amounts: list[str] | None = None, name: str = "Kiosk") -> dict[str, pa.Table]:
    money = pa.array([Decimal("12.50")], pa.decimal128(18, 2))
    return {
        "query1": purchases(["75.000", "80.125"] if amounts is None else amounts),
        "query2_best_selling": pa.table(
            [["2024-01"], [name], [7]], schema=RESULTS["query2_best_selling"]
        ),
        "query2_most_profitable": pa.table(
            [["2024-01"], [name], money], schema=RESULTS["query2_most_profitable"]
        ),
        "query3": pa.table([["2024-H1"], [name], money], schema=RESULTS["query3"]),
        "query4": pa.table(
            [[name], pa.array([dt.date(1990, 1, 2)]), [3]], schema=RESULTS["query4"]
        ),
    }


def run(**changes: Any) -> Run:
    known: dict[str, Any] = {
        "name": "malls",
        "session": "6f1a0c3e-52b4-4d7e-9a41-0b7f5c2d8e10",
        "plan": "staged",
        "partitions": 2,
        "finished": MOMENT,
        "seconds": 2.0,
        "rows": {"stores": 10, "transaction_items": 4_000},
    }
    return Run(**{**known, **changes})


def text_of(**how: Any) -> str:
    return page(answers(), run(), **how).decode()


def data_of(text: str) -> dict[str, Any]:
    [found] = re.findall(r'<script type="application/json" id="data">(.*?)</script>', text, re.S)
    data: dict[str, Any] = json.loads(found)
    return data


def test_it_says_what_was_analysed_when_and_how_fast() -> None:
    text = text_of()
    for said in ("malls", run().session, "staged, 2 partitions", "2026-03-01 09:30 UTC"):
        assert said in text
    for figure in ("4,010", "2.00 s", "2,005", "transaction items", "4,000", __version__):
        assert figure in text


def test_it_says_what_is_odd_and_what_was_left_out() -> None:
    error = BadData("not a number", file="a.csv", line=7, column="quantity", value="<b>")
    told = run(warnings=("no store <9>",), rejected=[Rejected(error, "x")] * 250, share="1/2")
    text = page(answers(), told).decode()
    assert "<li>no store &lt;9&gt;</li>" in text
    assert "Rows left out (100 of 250)" in text
    assert text.count("<td>not a number</td>") == 100
    assert "<td>&lt;b&gt;</td>" in text
    assert "Rows of producer 1/2" in text


def test_what_only_some_clients_know_is_left_out() -> None:
    known = {"id": "0-1", "name": "", "plan": "fused", "partitions": 1}
    told = run_of({**known, "created_at": 100.0, "ended_at": 103.5}, (), {"query1": "q.csv"})
    assert (told.name, told.seconds, told.finished.timestamp()) == ("0-1", 3.5, 103.5)
    text = page(answers(), told).decode()
    assert "3.50 s" in text
    assert "fused, 1 partition<" in text
    assert "Rows per second" not in text
    still_open = run_of({**known, "created_at": 100.0, "ended_at": None}, (), {})
    assert still_open.finished > MOMENT.replace(year=2020)


def test_every_result_is_in_it_as_its_csv_file() -> None:
    results = data_of(text_of())["results"]
    for query, table in answers().items():
        assert results[query] == {"csv": to_csv(table).decode(), "rows": table.num_rows} | {
            "total": table.num_rows
        }


def test_nothing_in_the_data_ends_an_element() -> None:
    told = run(
        name=HOSTILE, session=HOSTILE, plan=HOSTILE, warnings=[HOSTILE], files={"query1": HOSTILE}
    )
    text = page(answers(name=HOSTILE), told).decode()
    plain = page(answers(), run()).decode()
    for sign in ("</script", "<script", "<!--", "<img", "</style"):
        assert text.count(sign) == plain.count(sign), sign
    assert data_of(text)["results"]["query3"]["csv"].count("onerror") == 1
    assert html.escape(HOSTILE) in text


def test_a_name_that_is_no_text_does_not_stop_it() -> None:
    name = os.fsdecode(b"caf\xe9")
    assert b"caf?" in page(answers(), run(name=name, files={"query1": name}))


def test_the_policy_allows_its_own_programs_and_styles_and_nothing_else() -> None:
    text = text_of()
    [policy] = re.findall(r'http-equiv="Content-Security-Policy" content="([^"]*)"', text)
    rules = {name: set(rest) for name, *rest in (rule.split() for rule in policy.split(";"))}
    assert rules["default-src"] == {"'none'"}
    scripts = re.findall(r"<script(?: type=\"module\")?>(.*?)</script>", text, re.S)
    styles = re.findall(r"<style>(.*?)</style>", text, re.S)
    assert rules["script-src"] == {hashed(script) for script in scripts}
    assert rules["style-src"] == {hashed(style) for style in styles}
    assert len(scripts) == 2
    assert "unsafe" not in policy
    assert set(rules) - {"default-src", "script-src", "style-src"} == {
        "img-src",
        "base-uri",
        "form-action",
    }


def hashed(text: str) -> str:
    digest = hashlib.sha256(text.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"


def test_it_names_no_file_and_no_server() -> None:
    text = text_of()
    assert "sourceMappingURL" not in text
    assert not re.findall(r'(?:src|href)="(?!data:|#)[^"]*"', text)
    assert "@import" not in text
    assert "url(" not in text


def test_of_many_purchases_the_largest_are_in_it_in_their_order_and_all_are_counted() -> None:
    amounts = [f"{75 + place % 500}.{place % 7}00" for place in range(5_000)]
    text = page(answers(amounts), run(files={"query1": "out/query1.csv"}), most=100).decode()
    data = data_of(text)
    part = data["results"]["query1"]
    assert (part["rows"], part["total"]) == (100, 5_000)
    lines = part["csv"].splitlines()[1:]
    assert lines == sorted(lines)
    shown = sorted(Decimal(line.split(",")[1]) for line in lines)
    assert shown == sorted(map(Decimal, amounts))[-100:]
    assert data["files"]["query1"] == "out/query1.csv"
    assert data["sizes"]["total"] == sum(data["sizes"]["bins"]["counts"]) == 5_000


def test_purchases_that_tie_at_the_limit_are_chosen_by_their_ids() -> None:
    part = embedded("query1", purchases(["80.000"] * 10), 3)
    assert [line.split(",")[0] for line in part["csv"].splitlines()[1:]] == [
        "id-0000000",
        "id-0000001",
        "id-0000002",
    ]


def test_of_other_long_results_the_first_rows_are_in_it() -> None:
    table = pa.table(
        [[f"s{place}" for place in range(50)], [None] * 50, list(range(50))],
        schema=RESULTS["query4"],
    )
    part = embedded("query4", table, 5)
    assert part["csv"] == to_csv(table.slice(0, 5)).decode()
    assert (part["rows"], part["total"]) == (5, 50)


def test_a_million_purchases_make_a_file_of_a_few_megabytes() -> None:
    ids = pa.array(range(75_000, 1_075_000)).cast("string")
    table = pa.table([ids, ids.cast(pa.decimal128(18, 3))], schema=RESULTS["query1"])
    body = page({**answers(), "query1": table}, run())
    assert len(body) < 3_000_000
    assert data_of(body.decode())["sizes"]["total"] == 1_000_000


@pytest.mark.parametrize(
    "amounts",
    [["75.000"], ["75.000"] * 3, ["75.000", "75.001"], ["75.000", "1000000.000"], ["93.400"] * 2],
)
def test_bins_are_round_and_hold_every_amount_once(amounts: list[str]) -> None:
    found = sizes(purchases(amounts)["final_amount"])
    edges, counts = found["bins"]["edges"], found["bins"]["counts"]
    assert sum(counts) == found["total"] == len(amounts)
    assert len(edges) == len(counts) + 1 <= 28
    assert edges[0] == 75, "nothing below is counted, so no bin begins below"
    exact = [Decimal(str(edge)) for edge in edges]
    for (low, high), count in zip(pairwise(exact), counts, strict=True):
        assert count == sum(low <= Decimal(amount) < high for amount in amounts)


def test_amounts_are_counted_the_same_in_slices(monkeypatch: pytest.MonkeyPatch) -> None:
    amounts = pa.chunked_array(
        [purchases([f"{75 + n}.5" for n in range(40)])["final_amount"].chunk(0)] * 3
    )
    whole = sizes(amounts)
    monkeypatch.setattr("coffeeshop.report.figures.SLICE", 7)
    assert sizes(amounts) == whole


def test_widths_are_one_two_or_five_times_a_power_of_ten() -> None:
    assert [round_width(width) for width in (0.01, 1, 3, 41, 99.95, 501)] == [
        1,
        1,
        5,
        50,
        100,
        1000,
    ]


def test_no_purchases_are_no_bins() -> None:
    data = data_of(page(answers([]), run()).decode())
    assert data["sizes"] == {"total": 0, "most": 0, "bins": None}


def test_a_report_replaces_the_one_before_and_leaves_nothing_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    path.write_text("an older one")
    assert write_report(answers(), run(), path) == path
    assert path.read_text(encoding="utf-8").endswith("</html>\n")
    assert [each.name for each in tmp_path.iterdir()] == ["report.html"]


def test_a_failure_leaves_the_report_before_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(self: Path, body: bytes) -> int:
        raise OSError(28, "No space left on device")

    path = tmp_path / "report.html"
    path.write_text("an older one")
    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(UsageError, match="No space left"):
        write_report(answers(), run(), path)
    assert path.read_text() == "an older one"
    assert [each.name for each in tmp_path.iterdir()] == ["report.html"]


def test_a_place_where_no_file_can_be_is_refused_before_the_work(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no such directory"):
        check_place(tmp_path / "missing" / "report.html")
    with pytest.raises(UsageError, match="it is a directory"):
        check_place(tmp_path)
    check_place(tmp_path / "out" / "report.html", tmp_path / "." / "out")


def test_a_bare_name_goes_beside_the_results_where_this_folder_cannot_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    made = Path("results") / "shop"
    assert place_of(Path("report.html"), made) == Path("report.html")
    monkeypatch.setattr("os.access", lambda path, mode: False)  # root may write anywhere
    assert place_of(Path("report.html"), made) == made / "report.html"
    assert place_of(Path("there/report.html"), made) == Path("there/report.html")
    advice = "beside the results: results/shop/report.html"
    with pytest.raises(UsageError, match=f"is not writable; write it {advice}"):
        check_place(tmp_path / "report.html", made)
