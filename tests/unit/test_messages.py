"""Records, specifications and names survive their travel; anything else is refused."""

from __future__ import annotations

import json

import pytest

from coffeeshop.errors import CodecError, ProtocolError
from coffeeshop.pipeline.messages import (
    Assignment,
    Record,
    RecordKind,
    SessionSpec,
    TaskId,
    assign_queue,
    out_journal,
)
from coffeeshop.transport import Message

SPEC = SessionSpec("s", "staged", 3, 4)
TASK = TaskId("s", "filter_hour", 2)


@pytest.mark.parametrize("kind", ["batch", "eof", "failed"])
def test_a_record_comes_back_from_its_message(kind: RecordKind) -> None:
    record = Record(kind, "transactions", "0", 7, b"body")
    assert Record.of(record.message()) == record


def test_a_record_has_flat_headers_and_an_id_in_words() -> None:
    record = Record("batch", "transactions", "0", 7)
    assert record.headers() == {
        "kind": "batch",
        "stream": "transactions",
        "producer": "0",
        "number": 7,
    }
    assert record.id == "batch transactions/0/7"


def test_a_digest_travels_where_there_is_one() -> None:
    record = Record("batch", "users", "1", 3, b"body", "abc")
    assert record.headers()["digest"] == "abc"
    assert Record.of(record.message()) == record
    assert "digest" not in Record("batch", "users", "1", 3).headers()


def test_a_number_may_arrive_as_text() -> None:
    headers = {**Record("eof", "users", "1", 3).headers(), "number": "3"}
    assert Record.of(Message(headers)).number == 3


@pytest.mark.parametrize(
    "change", [{"number": "three"}, {"kind": "bath"}, {"kind": ""}], ids=["number", "kind", "none"]
)
def test_headers_of_no_record_are_refused(change: dict[str, str]) -> None:
    with pytest.raises(CodecError):
        Record.of(Message({**Record("eof", "users", "1", 3).headers(), **change}))


@pytest.mark.parametrize("missing", ["kind", "stream", "producer", "number"])
def test_a_message_without_a_header_is_refused(missing: str) -> None:
    headers = Record("eof", "users", "1", 3).headers()
    del headers[missing]
    with pytest.raises(CodecError, match="not a record"):
        Record.of(Message(headers))


def test_producers_are_numbered_from_zero() -> None:
    assert SPEC.producer_names == ("0", "1", "2")
    assert SessionSpec("s").producer_names == ("0",)


@pytest.mark.parametrize(("producers", "partitions"), [(0, 1), (1, 0), (-1, 1)])
def test_a_session_without_producers_or_partitions_is_refused(
    producers: int, partitions: int
) -> None:
    with pytest.raises(ProtocolError):
        SessionSpec("s", "fused", producers, partitions)


def test_names_say_whose_they_are() -> None:
    assert TASK.producer == "filter_hour.2"
    assert TASK.journal == "in.s.filter_hour.2"
    assert out_journal("s") == "out.s"
    assert assign_queue("filters") == "ctl.assign.filters"


def test_an_assignment_comes_back_from_its_bytes() -> None:
    assignment = Assignment(SPEC, TASK)
    assert Assignment.from_bytes(assignment.to_bytes()) == assignment


def test_equal_assignments_have_equal_bytes() -> None:
    assert Assignment(SPEC, TASK).to_bytes() == Assignment(SPEC, TASK).to_bytes()


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xff",
        b"[]",
        b"7",
        b"{}",
        b"[" * 100_000,
        b'{"stage": "a", "partition": 0}',
        b'{"id": "s", "stage": "a", "partition": 0, "more": 1}',
    ],
)
def test_other_bytes_are_no_assignment(body: bytes) -> None:
    with pytest.raises(CodecError):
        Assignment.from_bytes(body)


@pytest.mark.parametrize(
    "change",
    [
        {"producers": 0},
        {"partition": "x"},
        {"partition": None},
        {"partition": float("inf")},
        {"partitions": True},
        {"producers": 1.0},
        {"id": ["s"]},
        {"stage": {}},
        {"plan": None},
    ],
)
def test_an_assignment_with_a_senseless_value_is_refused(change: dict[str, object]) -> None:
    fields = {**json.loads(Assignment(SPEC, TASK).to_bytes()), **change}
    with pytest.raises(CodecError):
        Assignment.from_bytes(json.dumps(fields).encode())
