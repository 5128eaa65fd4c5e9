"""The four questions as forms: the general operators give what the specialised ones give."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

import pytest

from coffeeshop.formats import to_csv, warnings_of
from coffeeshop.generate import generate
from coffeeshop.parameters import Parameters
from coffeeshop.pipeline.compiling import ranges_of, special
from coffeeshop.pipeline.messages import SessionSpec
from coffeeshop.questions.builtin import builtin
from tests.questions.running import answers

ASKED = (
    Parameters(),
    Parameters.of(years="2023-2025", hours="07:00-22:00", min_amount="50", top=5),
)


@pytest.mark.parametrize("asked", ASKED, ids=str)
def test_general_operators_give_the_same_bytes_and_warnings(
    tmp_path: Path, asked: Parameters
) -> None:
    generate(tmp_path, transactions=3_000, seed=9, layout="flat")
    for table in ("stores", "menu_items"):  # some ids have no row
        file = tmp_path / f"{table}.csv"
        file.write_bytes(b"".join(file.read_bytes().splitlines(keepends=True)[:6]))
    forms = [each for found in builtin(asked).values() for each in found]
    own = SessionSpec("s", questions=tuple(each.to_json() for each in forms))
    general = answers(tmp_path, own, random.Random(1))
    special = answers(tmp_path, SessionSpec("s", parameters=asked.text()), random.Random(2))
    for name, table in special.tables.items():
        assert to_csv(general.tables[name]) == to_csv(table), name
        assert warnings_of({name: general.tables[name]}) == warnings_of({name: table})


def test_operators_are_chosen_by_the_form_and_not_by_the_name() -> None:
    (payments,) = builtin(Parameters())["query3"]
    (others,) = builtin(ASKED[1])["query3"]
    assert special(replace(payments, name="mine")) is special(others) is not None
    assert special(replace(payments, limit=3)) is None
    assert special(replace(payments, keys=payments.keys[:2])) is None


def test_the_ranges_of_a_form_are_those_of_its_filters() -> None:
    (large,) = builtin(ASKED[1])["query1"]
    found = ranges_of(large)
    assert (found.years.first, found.years.last) == (2023, 2025)
    assert found.hours == (7 * 3600, 22 * 3600)
    assert found.least == 50_000
