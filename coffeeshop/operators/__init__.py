"""The pure operators of the four queries: values in, values out, no I/O, no threads, no clock.

Two shapes. A *map* turns rows of one batch into rows of one batch. A *fold* takes batches one by
one and, at the end of its input, gives its result, which does not depend on the order of the
batches.
"""

from coffeeshop.operators.base import Fold, Map, RowsFold, take_rows
from coffeeshop.operators.calendar import Years
from coffeeshop.operators.filters import (
    Filter,
    Range,
    filter_amount,
    filter_hour,
    filter_year,
    in_hours,
    in_years,
    of_at_least,
)
from coffeeshop.operators.final import (
    FinalQuery1,
    FinalQuery2,
    FinalQuery3,
    FinalQuery4,
)
from coffeeshop.operators.late import NOTHING_LATE, Late
from coffeeshop.operators.partial import (
    partial_query1,
    partial_query2,
    partial_query3,
    partial_query4,
)
from coffeeshop.operators.rows import Rows

__all__ = [
    "NOTHING_LATE",
    "Filter",
    "FinalQuery1",
    "FinalQuery2",
    "FinalQuery3",
    "FinalQuery4",
    "Fold",
    "Late",
    "Map",
    "Range",
    "Rows",
    "RowsFold",
    "Years",
    "filter_amount",
    "filter_hour",
    "filter_year",
    "in_hours",
    "in_years",
    "of_at_least",
    "partial_query1",
    "partial_query2",
    "partial_query3",
    "partial_query4",
    "take_rows",
]
