"""What a task makes of an id that comes twice."""

from __future__ import annotations

from dataclasses import replace

import pytest

from coffeeshop.errors import ProtocolError
from coffeeshop.pipeline.messages import SessionSpec, TaskId
from coffeeshop.pipeline.task import TaskCore
from tests.unit.helpers import TRANSACTIONS, batch, input_records

SPEC = SessionSpec("s", "fused", 1, 1)
FILTERS = TaskId("s", "filters", 0)
FIRST = replace(batch("transactions", 0, TRANSACTIONS[0]), digest="d1")


def test_a_repeat_with_the_same_content_says_nothing() -> None:
    core = TaskCore(SPEC, FILTERS)
    core.feed(FIRST)
    assert core.feed(FIRST) == []


def test_a_repeat_with_other_content_breaks_the_protocol() -> None:
    core = TaskCore(SPEC, FILTERS)
    core.feed(FIRST)
    with pytest.raises(ProtocolError, match="transactions/0/0 was sent twice with different"):
        core.feed(replace(batch("transactions", 0, TRANSACTIONS[1]), digest="d2"))


def test_another_number_may_have_other_content() -> None:
    core = TaskCore(SPEC, FILTERS)
    core.feed(FIRST)
    core.feed(replace(batch("transactions", 1, TRANSACTIONS[1]), digest="d2"))
    assert core.rows == sum(each.num_rows for each in TRANSACTIONS)


def test_records_without_a_digest_are_trusted() -> None:
    core = TaskCore(SPEC, FILTERS)
    core.feed(FIRST)
    assert core.feed(replace(FIRST, digest="")) == []


def test_after_its_end_a_task_is_not_disturbed_by_anything() -> None:
    core = TaskCore(SPEC, FILTERS)
    for record in input_records(SPEC):
        if record.stream in ("transactions", "transaction_items"):
            core.feed(replace(record, digest="d") if record.kind == "batch" else record)
    assert core.finished
    assert core.feed(replace(FIRST, digest="other")) == []
