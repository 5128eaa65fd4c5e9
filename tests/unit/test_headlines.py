"""The answers in a sentence a question."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

import pyarrow as pa

from coffeeshop.headlines import headlines
from coffeeshop.operators.final import RESULTS

FULL: dict[str, list[dict[str, Any]]] = {
    "query1": [{"transaction_id": str(n), "final_amount": Decimal(75)} for n in range(1_234)],
    "query2_best_selling": [
        {"year_month_created_at": "2024-01", "item_name": "Tea", "sellings_qty": 9_000},
        {"year_month_created_at": "2025-12", "item_name": "Latte", "sellings_qty": 4_321},
    ],
    "query2_most_profitable": [
        {"year_month_created_at": "2025-12", "item_name": "Mo\x1b[31m", "profit_sum": Decimal(9999)}
    ],
    "query3": [
        {"year_half_created_at": "2024-H1", "store_name": "Old", "tpv": Decimal(900_000)},
        {"year_half_created_at": "2025-H2", "store_name": "A", "tpv": Decimal("1000.50")},
        {"year_half_created_at": "2025-H2", "store_name": "B", "tpv": Decimal("2000.25")},
    ],
    "query4": [
        {"store_name": "A", "birthdate": dt.date(1990, 1, 2), "purchases_qty": 3},
        {"store_name": "B", "birthdate": dt.date(1980, 3, 4), "purchases_qty": 7},
        {"store_name": None, "birthdate": None, "purchases_qty": 7},
    ],
}


def tables(rows: dict[str, list[dict[str, Any]]]) -> dict[str, pa.Table]:
    return {
        query: pa.Table.from_pylist(rows.get(query, []), schema=schema)
        for query, schema in RESULTS.items()
    }


def test_each_question_is_answered_in_a_sentence() -> None:
    assert headlines(tables(FULL)) == [
        "1,234 purchases of 75 or more, 06:00 to 23:00, in 2024 and 2025",
        "best seller of 2025-12: Latte, 4,321 sold; highest revenue: Mo\ufffd[31m, 9,999.00",
        "revenue of 2025-H2: 3,000.75; best store: B, 2,000.25",
        "most purchases by one customer in one store: 7, at B, born 1980-03-04"
        " (1 more have as many)",
    ]


def test_what_is_not_known_of_a_customer_is_left_out() -> None:
    only = {"query4": [FULL["query4"][2]]}
    assert headlines(tables(only))[3].endswith("in one store: 7, at (no name)")


def test_results_without_rows_have_sentences_too() -> None:
    assert headlines(tables({})) == [
        "0 purchases of 75 or more, 06:00 to 23:00, in 2024 and 2025",
        "no item was sold in 2024 and 2025",
        "no revenue between 06:00 and 23:00 in 2024 and 2025",
        "no purchase by a known customer in 2024 and 2025",
    ]
