"""The ledger of what publishers saw confirmed."""

from __future__ import annotations

from pathlib import Path

import pytest

from coffeeshop.testing import ledger
from coffeeshop.testing.ledger import Balance, balance, keep_ledger, read_ledgers
from coffeeshop.transport.base import Message, OnOutcome, Outcome
from coffeeshop.transport.rabbitmq.transport import RabbitTransport


def test_what_was_confirmed_and_is_in_no_journal_is_lost() -> None:
    found = balance({"in.a": ["1/1", "1/2", "1/3"]}, {"in.a": ["1/1", "1/3"]}, deleted=[])
    assert found == Balance(stored=2, lost=("in.a 1/2",))
    assert found.confirmed == 3


def test_the_end_of_a_deleted_journal_proves_nothing_but_a_gap_in_it_does() -> None:
    confirmed = {"in.a": ["1/1", "1/2", "1/3", "1/10", "2/1"]}
    found = balance(confirmed, {"in.a": ["1/1", "1/3"]}, deleted=["in.a"])
    assert found == Balance(stored=2, lost=("in.a 1/2",), unread=2)


def test_journals_that_were_not_read_and_appends_that_were_not_confirmed_do_not_count() -> None:
    assert balance({"other": ["1/1"]}, {"in.a": ["1/1"]}, deleted=[]) == Balance()


def test_a_process_notes_the_appends_that_are_confirmed_and_numbers_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[Message] = []
    outcomes = iter((Outcome.CONFIRMED, Outcome.UNKNOWN, Outcome.CONFIRMED))

    def append(self: RabbitTransport, name: str, message: Message, on_outcome: OnOutcome) -> None:
        sent.append(message)
        on_outcome(next(outcomes))

    monkeypatch.setattr(RabbitTransport, "append", append)
    keep_ledger(tmp_path)
    transport = RabbitTransport.__new__(RabbitTransport)
    ended: list[Outcome] = []
    for name in ("in.a", "in.a", "in.b"):
        transport.append(name, Message({"kind": "batch"}, b"rows"), ended.append)
    numbers = [str(message.headers[ledger.HEADER]) for message in sent]
    assert len(set(numbers)) == 3
    assert all(message.headers["kind"] == "batch" for message in sent)
    assert ended == [Outcome.CONFIRMED, Outcome.UNKNOWN, Outcome.CONFIRMED]
    assert read_ledgers(tmp_path) == {"in.a": {numbers[0]}, "in.b": {numbers[2]}}
