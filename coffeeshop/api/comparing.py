"""Two sets of results side by side, in the library."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TypeAlias

import pyarrow as pa

from coffeeshop.api.results import Results
from coffeeshop.client.result_files import read_results
from coffeeshop.comparison import Sides, checked_years, known_by_sql
from coffeeshop.comparison import compare as compared

Side: TypeAlias = Mapping[str, pa.Table] | pa.Table | str | os.PathLike[str]


def compare(
    a: Side,
    b: Side | None = None,
    *,
    years: Sequence[int | str] | None = None,
    period: tuple[str, str, str] | None = None,
    keys: Sequence[str] = (),
) -> dict[str, pa.Table]:
    """Compare the results of two sessions, or of two periods, and give a table for each result.

    ``a`` and ``b`` are `Results`, Arrow tables (by name, or one), or folders (files) of results;
    without ``b`` it is ``a`` again. Rows with equal keys become one row: the keys, then for each
    other column ``<column>_a`` and ``<column>_b``, and of numbers ``<column>_difference`` (B less
    A, exactly) and ``<column>_percent`` (of A, two decimals, half away from 0, null where A is 0).
    What one side lacks is null.

    ``years``: two, ``(2024, 2025)``: of A the rows of the first, of B those of the second, with the
    year taken out of the keys, so that January meets January. ``period``: a column and its values
    in A and in B, ``("quarter", "1", "2")``. ``keys``: the columns that are keys, where they are
    not the ones that the question groups by.

    Raises `UsageError` where no result can be compared.
    """
    sides = Sides(checked_years(years), period)
    left = _tables(a)
    right = left if b is None else _tables(b)
    known = {**_known(b), **_known(a)}
    return compared(left, right, sides=sides, keys=keys, known=known).tables


def _tables(side: Side) -> Mapping[str, pa.Table]:
    if isinstance(side, pa.Table):
        return {"result": side}
    return side if isinstance(side, Mapping) else read_results(Path(side))


def _known(side: Side | None) -> dict[str, tuple[str, ...]]:
    return known_by_sql(side.questions, side) if isinstance(side, Results) else {}
