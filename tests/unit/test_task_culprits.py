"""What a task cannot take fails it, and is named as the culprit."""

from __future__ import annotations

from dataclasses import replace

import pytest

from coffeeshop.pipeline.messages import Record, TaskId
from coffeeshop.testing.clock import VirtualClock
from coffeeshop.transport import Message
from tests.unit.actors import Stage
from tests.unit.helpers import MENU, TRANSACTIONS, batch, transactions
from tests.unit.spies import SpyTransport
from tests.unit.test_task_actor import YEARS


@pytest.mark.parametrize(
    ("record", "culprit", "reason"),
    [
        (
            Record("batch", "transactions", "0", 0, b"garbage"),
            "batch transactions/0/0",
            "CodecError: not an Arrow batch",
        ),
        (
            batch("transactions", 0, transactions(), "9"),
            "batch transactions/9/0",
            "ProtocolError: '9' is not an announced producer of 'transactions'",
        ),
        (
            batch("menu_items", 0, MENU),
            "batch menu_items/0/0",
            "ProtocolError: '0' is not an announced producer of 'menu_items'",
        ),
        (
            Record("failed", "transactions", "0", 0),
            "failed transactions/0/0",
            "ProtocolError: a task cannot process a record of kind 'failed'",
        ),
    ],
)
def test_a_record_nobody_should_send_is_named_as_the_culprit(
    stage: Stage, transport: SpyTransport, record: Record, culprit: str, reason: str
) -> None:
    transport.put(YEARS.journal, record)
    stage.start(YEARS)
    failure = stage.told()
    assert failure.culprit == culprit
    assert failure.reason.startswith(reason)


def test_two_contents_under_one_id_are_named_as_the_culprit(
    stage: Stage, transport: SpyTransport
) -> None:
    first = batch("transactions", 0, TRANSACTIONS[0])
    other = batch("transactions", 0, TRANSACTIONS[1])
    transport.put(YEARS.journal, replace(first, digest="a"), replace(first, digest="a"))
    transport.put(YEARS.journal, replace(other, digest="b"))
    stage.start(YEARS)
    failure = stage.told()
    assert failure.culprit == "batch transactions/0/0"
    assert "sent twice with different content" in failure.reason


@pytest.mark.parametrize("headers", [{}, {"kind": "what"}, {"number": "many"}])
def test_an_entry_that_is_no_record_is_named_by_its_offset(
    stage: Stage, transport: SpyTransport, headers: dict[str, str]
) -> None:
    good = batch("transactions", 0, TRANSACTIONS[0])
    transport.put(YEARS.journal, good)
    transport.inner.append(
        YEARS.journal, Message({**good.headers(), **headers} if headers else {}), lambda _: None
    )
    stage.start(YEARS)
    failure = stage.told()
    assert failure.culprit == "entry 1"
    assert failure.reason.startswith("CodecError")


def test_a_task_of_an_unknown_stage_cannot_be_made(
    transport: SpyTransport, clock: VirtualClock, stage: Stage
) -> None:
    with pytest.raises(Exception, match="no stage nonsense"):
        stage.start(TaskId("s", "nonsense", 0))


def test_a_task_that_cannot_begin_to_read_fails(
    stage: Stage, transport: SpyTransport, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(SpyTransport, "read")
    stage.start(YEARS)
    assert stage.told().reason.startswith("AttributeError")
