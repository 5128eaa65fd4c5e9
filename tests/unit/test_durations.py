"""Times as people write them at the command line."""

from __future__ import annotations

import click
import pytest

from coffeeshop.commands.types import Duration


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("7d", 604_800),
        ("12h", 43_200),
        ("30m", 1_800),
        ("1s", 1),
        ("1.5h", 5_400),
        (" 90d ", 7.776e6),
    ],
)
def test_a_time_is_a_number_and_its_unit(text: str, seconds: float) -> None:
    assert Duration().convert(text, None, None) == seconds


@pytest.mark.parametrize("text", ["", "7", "-1d", "soon", "1e3h", "7 days", "nan d", "infd"])
def test_what_is_no_time_is_refused_with_examples(text: str) -> None:
    with pytest.raises(click.BadParameter, match="as 7d, 12h or 30m"):
        Duration().convert(text, None, None)


@pytest.mark.parametrize("text", ["0s", "0d", "91d", "999999999d"])
def test_no_time_and_more_than_90_days_are_refused(text: str) -> None:
    with pytest.raises(click.BadParameter, match="at most 90d"):
        Duration().convert(text, None, None)
