"""Amounts in a currency, for people; files for programs stay as they are."""

from __future__ import annotations

import io
import json
import zipfile
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pytest
from rich.console import Console

import coffeeshop
from coffeeshop.commands.show import show_results
from coffeeshop.errors import UsageError
from coffeeshop.formats import WRITERS, body_of
from coffeeshop.generate import generate
from coffeeshop.parameters import currency_of
from coffeeshop.settings import Settings
from tests.running import http as plain
from tests.running import running

TABLE = pa.table(
    {
        "store": ["a"],
        "tpv": pa.array([Decimal("1234.50")], pa.decimal128(38, 2)),
        "average": pa.array([Decimal("1.500000")], pa.decimal128(38, 6)),
        "n": [3],
    }
)


def styles_of(workbook: bytes) -> str:
    with zipfile.ZipFile(io.BytesIO(workbook)) as parts:
        return parts.read("xl/styles.xml").decode()


def test_a_currency_is_a_code_of_three_letters() -> None:
    assert currency_of(" eur ") == "EUR"
    assert currency_of("") == ""
    for wrong in ("€", "EURO", "E1R"):
        with pytest.raises(UsageError, match="a code of three letters"):
            currency_of(wrong)
    with pytest.raises(UsageError, match="COFFEESHOP_CURRENCY: a currency is"):
        Settings.read({"COFFEESHOP_CURRENCY": "pesos"})


def test_a_workbook_shows_the_currency_of_amounts_and_of_nothing_else() -> None:
    without, having = (styles_of(body_of("q", TABLE, "xlsx", code)) for code in ("", "ARS"))
    assert "ARS" not in without
    assert having.count("[$ARS]") == 1
    assert "#,##0.00 [$ARS]" in having
    assert "#,##0.000000" in having


@pytest.mark.parametrize("name", [each for each in WRITERS if each != "xlsx"])
def test_other_formats_have_the_same_bytes_with_a_currency(name: str) -> None:
    assert body_of("q", TABLE, name, "ARS") == body_of("q", TABLE, name)


def test_a_table_on_the_terminal_names_the_currency_in_the_heads_of_amounts() -> None:
    console = Console(file=io.StringIO(), width=120)
    show_results(console, {"mine": TABLE}, currency="ARS")
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert "tpv (ARS)" in text
    assert text.count("ARS") == 1


def test_a_report_and_a_gateway_tell_the_page_the_currency(tmp_path: Path) -> None:
    generate(tmp_path / "shop", transactions=200, seed=3)
    with coffeeshop.Client("memory:") as client:
        found = client.submit(tmp_path / "shop")
    text = found.report(tmp_path / "report.html", currency="usd").read_text()
    assert '"currency": "USD"' in text
    with running() as system, plain(system) as api:
        assert api.get("/v1/overview").json()["currency"] == ""
        system.gateways[0].gateway.currency = "ARS"
        assert api.get("/v1/overview").json()["currency"] == "ARS"
        with coffeeshop.Client(system.url) as client:
            session = client.submit(tmp_path / "shop").session_id
        assert api.get(f"/v1/overview/sessions/{session}").json()["currency"] == "ARS"
        body = api.get(f"/v1/sessions/{session}/downloads/query3.xlsx").content
        assert "[$ARS]" in styles_of(body)
        csv = api.get(f"/v1/sessions/{session}/downloads/query3.csv").content
    assert csv == body_of("query3", found["query3"], "csv")
    assert json.dumps("ARS") not in csv.decode()
