"""The outbox: what is sent again, when, and what it says in the end."""

from __future__ import annotations

from collections import deque
from concurrent.futures import Future

import pytest

from coffeeshop.clock import Backoff
from coffeeshop.errors import BrokerRefuses, JournalGone
from coffeeshop.pipeline.messages import Record
from coffeeshop.testing.clock import VirtualClock
from coffeeshop.transport import Message, Outcome
from coffeeshop.transport.base import OnOutcome
from coffeeshop.transport.memory import MemoryTransport
from coffeeshop.transport.outbox import Outbox

RECORD = Record("batch", "stores", "0", 0, b"body").message()
STEP = Backoff(first=1.0, most=4.0)
WHOLE = 1.0
"""A chance that takes the whole of each step."""


class Scripted(MemoryTransport):
    """Ends what is sent as a test says, at once and in the sender's thread."""

    def __init__(self, *outcomes: Outcome) -> None:
        super().__init__()
        self.script = deque(outcomes)
        self.sent: list[tuple[str, str]] = []

    def append(self, name: str, message: Message, on_outcome: OnOutcome) -> None:
        self.sent.append(("append", name))
        on_outcome(self.script.popleft())

    def publish(self, name: str, message: Message, on_outcome: OnOutcome) -> None:
        self.sent.append(("publish", name))
        on_outcome(self.script.popleft())


class Holding(MemoryTransport):
    """Lets a test end what is sent."""

    def __init__(self, held: list[OnOutcome]) -> None:
        super().__init__()
        self.held = held

    def append(self, name: str, message: Message, on_outcome: OnOutcome) -> None:
        self.held.append(on_outcome)


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


def outbox(transport: Scripted, clock: VirtualClock) -> Outbox:
    return Outbox(transport, clock, STEP, lambda: WHOLE)


@pytest.mark.parametrize("outcome", [Outcome.NACKED, Outcome.UNKNOWN])
def test_a_message_is_sent_until_it_is_confirmed_with_growing_pauses(
    clock: VirtualClock, outcome: Outcome
) -> None:
    transport = Scripted(*[outcome] * 4, Outcome.CONFIRMED)
    ended: list[Outcome] = []
    outbox(transport, clock).append("j", RECORD, ended.append)
    assert (clock.delays, ended) == ([1.0], [])
    clock.run_until_idle()
    assert clock.delays == [1.0, 2.0, 4.0, 4.0]
    assert (ended, len(transport.sent)) == ([Outcome.CONFIRMED], 5)


@pytest.mark.parametrize("outcome", [Outcome.RETURNED, Outcome.FORBIDDEN, Outcome.TOO_LARGE])
def test_a_refusal_that_stays_is_final(clock: VirtualClock, outcome: Outcome) -> None:
    transport = Scripted(Outcome.UNKNOWN, outcome)
    ended: list[Outcome] = []
    outbox(transport, clock).append("j", RECORD, ended.append)
    clock.run_until_idle()
    assert (ended, len(transport.sent)) == ([outcome], 2)


def test_a_closed_outbox_sends_nothing_again_and_reports_nothing(clock: VirtualClock) -> None:
    transport = Scripted(Outcome.NACKED)
    ended: list[Outcome] = []
    box = outbox(transport, clock)
    box.append("j", RECORD, ended.append)
    box.close()
    clock.run_until_idle()
    assert (ended, len(transport.sent)) == ([], 1)


def test_a_message_for_several_journals_is_stored_when_the_last_one_has_it() -> None:
    held: list[OnOutcome] = []
    transport = Holding(held)
    stored = Outbox(transport, VirtualClock()).append_to_all(["a", "b"], RECORD)
    held[0](Outcome.CONFIRMED)
    assert not stored.done()
    held[1](Outcome.CONFIRMED)
    assert stored.result(0) is None


def test_a_message_for_no_journal_is_stored_at_once(clock: VirtualClock) -> None:
    assert Outbox(Scripted(), clock).append_to_all([], RECORD).done()


@pytest.mark.parametrize(
    ("outcomes", "error", "words"),
    [
        ((Outcome.RETURNED, Outcome.CONFIRMED), JournalGone, "a does not exist"),
        ((Outcome.CONFIRMED, Outcome.TOO_LARGE), BrokerRefuses, "4 bytes for b"),
        ((Outcome.FORBIDDEN, Outcome.RETURNED), BrokerRefuses, "permission to write"),
    ],
)
def test_one_refusal_fails_the_whole_and_the_first_one_counts(
    clock: VirtualClock,
    outcomes: tuple[Outcome, ...],
    error: type[Exception],
    words: str,
) -> None:
    stored = outbox(Scripted(*outcomes), clock).append_to_all(["a", "b"], RECORD)
    with pytest.raises(error, match=words):
        stored.result(0)


def test_an_outcome_that_nobody_waits_for_any_more_breaks_nothing(clock: VirtualClock) -> None:
    transport = Scripted(Outcome.UNKNOWN, Outcome.CONFIRMED)
    stored: Future[None] = outbox(transport, clock).append_to_all(["a"], RECORD)
    assert stored.cancel()
    assert clock.run_until_idle() == 1


def test_a_queue_that_refuses_for_too_long_is_given_up(clock: VirtualClock) -> None:
    transport = Scripted(*[Outcome.NACKED] * 5)
    stored = outbox(transport, clock).publish("q", RECORD, patience=6.0)
    clock.run_until_idle()
    assert clock.now() == 1 + 2 + 4
    with pytest.raises(BrokerRefuses, match="max-length"):
        stored.result(0)


def test_a_lost_connection_does_not_count_as_refusing(clock: VirtualClock) -> None:
    transport = Scripted(*[Outcome.UNKNOWN] * 9, Outcome.NACKED, Outcome.CONFIRMED)
    stored = outbox(transport, clock).publish("q", RECORD, patience=6.0)
    clock.run_until_idle()
    assert stored.result(0) is None
    assert transport.sent == [("publish", "q")] * 11


def test_refusals_with_a_lost_connection_between_them_are_two(clock: VirtualClock) -> None:
    refused = Outcome.NACKED
    transport = Scripted(refused, *[Outcome.UNKNOWN] * 5, refused, Outcome.CONFIRMED)
    stored = outbox(transport, clock).publish("q", RECORD, patience=6.0)
    clock.run_until_idle()
    assert clock.now() > 6.0
    assert stored.result(0) is None
