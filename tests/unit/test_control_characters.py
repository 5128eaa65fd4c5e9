"""Names that would steer a terminal, or that a spreadsheet would carry out."""

from __future__ import annotations

import csv
import io
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from coffeeshop.cli import main
from coffeeshop.client.results import write_results
from coffeeshop.commands import remote
from coffeeshop.commands.show import show_results
from coffeeshop.errors import BadData
from coffeeshop.formats import BYTE_ORDER_MARK, to_csv, to_sheet_csv
from coffeeshop.observability import telemetry
from coffeeshop.observability.logs import get_logger
from coffeeshop.reading.parse import Rejected
from coffeeshop.terminal import console, shown

EVIL = "No\x1b[2J\x1b]0;owned\x07rth\r\u202eabc\x9b1m\x00"
ESCAPED = r"No\x1b[2J\x1b]0;owned\x07rth\r\u202eabc\x9b1m\x00"


def test_what_a_terminal_would_obey_is_shown_and_the_rest_stays() -> None:
    assert shown(EVIL) == ESCAPED
    for text in ("Café 咖啡", "क्‍ष", "👩‍👩‍👧", '12" cup, 50 %'):
        assert shown(text) == text
    assert shown(5) == "5"


class Gateway:
    """A gateway that says such things wherever a text may be."""

    url = EVIL

    def sessions(self, *_: object) -> list[dict[str, Any]]:
        texts = dict.fromkeys(("id", "name", "state", "plan", "reason"), EVIL)
        return [{**texts, "created_at": 0.0, "input_bytes": 1}]

    def session(self, _: str) -> dict[str, Any]:
        return {
            EVIL: EVIL,
            "results": [EVIL],
            "tables": {EVIL: {EVIL: 3}},
            "state": EVIL,
            "producers": 1,
        }

    def nodes(self) -> list[dict[str, Any]]:
        return [{"id": EVIL, "types": [EVIL], "started_at": 0.0, "threads": EVIL, "tasks": EVIL}]


Show = Callable[[Any], None]
SHOWN: dict[str, Show] = {
    "sessions": lambda gateway: remote.sessions(gateway, None, 9, "table"),
    "ids": lambda gateway: remote.sessions(gateway, None, 9, "ids"),
    "status": lambda gateway: remote.status(gateway, "id", as_json=False),
    "nodes": lambda gateway: remote.nodes(gateway, "table"),
    "results": lambda _: show_results(console(), {"query3": pa.table({"store": [EVIL]})}),
}


@pytest.mark.parametrize("what", SHOWN)
def test_no_command_sends_to_a_terminal_what_others_wrote(
    what: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "2000")
    SHOWN[what](Gateway())
    text = capsys.readouterr().out
    assert r"\x1b[2J" in text
    assert not set(text) & set("\x1b\x07\r\u202e\x9b\x00")


def test_an_error_is_one_line_without_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main(["submit", "--data-folder", str(tmp_path / "a\x1b[2J\nb")])
    text = capsys.readouterr().err
    assert r"a\x1b[2J\nb" in text
    assert "\x1b" not in text


def test_a_log_for_people_has_none(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    telemetry.configure_logging("verbose")
    get_logger().warning("some.event", name=EVIL, other="a\x1bb")
    text = capsys.readouterr().err
    assert r"\x1b[2J" in text
    assert "\x1b" not in text
    assert sys.stderr is not None


FORMULAS = ["=1+1", "+cmd", "-2+3", "@SUM(A1)", "\tx", "\rx", "＝1"]
HARMLESS = ["", "Café", "'quoted", "a=b", " =1", "1-2"]


def test_a_csv_for_spreadsheets_has_no_formula_and_the_canonical_one_stays() -> None:
    table = pa.table({"name": [*FORMULAS, *HARMLESS], "amount": [-1] * 13})
    before = to_csv(table)
    body = to_sheet_csv(table)
    assert to_csv(table) == before
    assert body.startswith(BYTE_ORDER_MARK)
    rows = list(csv.reader(io.StringIO(body.decode("utf-8-sig"), newline="")))
    assert [row[0] for row in rows[1:]] == [*(f"'{each}" for each in FORMULAS), *HARMLESS]
    assert {row[1] for row in rows[1:]} == {"-1"}
    plain = list(csv.reader(io.StringIO(before.decode(), newline="")))
    assert [row[0] for row in plain[1:]] == [*FORMULAS, *HARMLESS]


def test_bad_rows_in_a_folder_for_spreadsheets_have_none_either(tmp_path: Path) -> None:
    bad = Rejected(BadData("no", file="f", line=2, column="c", value="=1"), "=cmd|x")
    tables = {"query1": pa.table({"v": ["=1"]})}
    for file_format, wanted in (("csv", "=1"), ("sheet.csv", "'=1")):
        files = write_results(tables, tmp_path, file_format, [bad])
        assert files[0].name == f"query1.{file_format}"
        (row,) = list(csv.reader(io.StringIO(files[-1].read_text(), newline="")))[1:]
        assert row[3] == wanted
        assert row[5].endswith("=cmd|x")
        assert row[5].startswith("'") is (file_format == "sheet.csv")
