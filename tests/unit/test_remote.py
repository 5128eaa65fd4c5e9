"""The client's side of a session by a gateway: follower, heartbeats, sending, leaving."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from typing import Any

import pyarrow as pa
import pytest

from coffeeshop.client import remote as module
from coffeeshop.client.remote import HttpSink, RemoteFollower, printable
from coffeeshop.client.sse import Event
from coffeeshop.errors import (
    Cancelled,
    CoffeeshopError,
    SessionFailed,
    SessionTimeout,
    Unreachable,
)
from coffeeshop.formats import warnings_of
from tests.running import PATIENCE


class Gateway:
    """A client that answers what it is told to."""

    def __init__(self) -> None:
        self.end = threading.Event()
        self.last: Event | Exception = Event("completed", {}, 1)
        self.beats = threading.Semaphore(0)
        self.beat: Callable[[], None] = lambda: None
        self.waiting = threading.Event()
        self.refusal: Exception | None = None

    def events(self, session: str) -> Iterator[Event]:
        yield Event("progress", {}, 0)
        assert self.end.wait(PATIENCE)
        if isinstance(self.last, Exception):
            raise self.last
        yield self.last

    def heartbeat(self, session: str) -> None:
        self.beats.release()
        self.beat()

    def put_batch(self, *batch: Any) -> None:
        self.waiting.set()
        if self.refusal is not None:
            raise self.refusal
        assert batch[-1].wait(PATIENCE)
        raise Unreachable("stopped")

    def end_table(self, *end: Any, left_out: object) -> None:
        self.put_batch(*end)

    def cancel_soon(self, session: str, patience: float, why: dict[str, str]) -> None:
        raise Unreachable("no answer")


@pytest.fixture
def gateway() -> Iterator[Gateway]:
    made = Gateway()
    yield made
    made.end.set()


def follow(gateway: Gateway, **how: Any) -> RemoteFollower:
    return RemoteFollower(gateway, "s", **how)  # type: ignore[arg-type]


def test_a_completed_session_is_no_error(gateway: Gateway) -> None:
    heard: list[Event] = []
    follower = follow(gateway, on_event=heard.append)
    assert not follower.ended
    gateway.end.set()
    follower.result(PATIENCE)
    assert follower.ended
    assert [event.name for event in heard] == ["progress", "completed"]


@pytest.mark.parametrize(
    ("name", "data", "kind", "words"),
    [
        ("cancelled", {"reason": "why"}, Cancelled, "why"),
        ("cancelled", {}, Cancelled, "the session was cancelled"),
        ("failed", {"reason": "why"}, SessionFailed, "why"),
        ("aborted", {"reason": "why"}, SessionFailed, "why"),
        ("expired", {}, SessionFailed, "the session's results have expired"),
    ],
)
def test_every_other_end_is_raised(
    gateway: Gateway, name: str, data: dict[str, str], kind: type[Exception], words: str
) -> None:
    gateway.last = Event(name, data, 1)
    gateway.end.set()
    with pytest.raises(kind, match=words):
        follow(gateway).result(PATIENCE)


def test_an_end_that_does_not_come_in_time_is_a_timeout(gateway: Gateway) -> None:
    with pytest.raises(SessionTimeout, match="s did not end within 0 s"):
        follow(gateway).result(0)


@pytest.mark.parametrize("error", [Unreachable("away"), ZeroDivisionError()])
def test_what_ends_the_following_is_raised_where_it_is_waited_for(
    gateway: Gateway, error: Exception
) -> None:
    gateway.last = error
    gateway.end.set()
    with pytest.raises(type(error)):
        follow(gateway).result(PATIENCE)


def test_the_client_says_that_it_is_there_until_it_is_closed(gateway: Gateway) -> None:
    before = set(threading.enumerate())
    follower = follow(gateway, heartbeat=0.001)
    (beating,) = (each for each in set(threading.enumerate()) - before if each.name == "beat")
    for _ in range(5):
        assert gateway.beats.acquire(timeout=PATIENCE)
    assert beating.is_alive()
    follower.close()
    beating.join(PATIENCE / 4)  # less than the events of this gateway last
    assert not beating.is_alive()


def test_a_gateway_that_is_away_for_a_while_hears_of_the_client_again(gateway: Gateway) -> None:
    def away() -> None:
        raise Unreachable("away")

    gateway.beat = away
    follower = follow(gateway, heartbeat=0.001)
    for _ in range(5):
        assert gateway.beats.acquire(timeout=PATIENCE)
    follower.close()


def test_a_session_that_is_over_needs_no_heartbeat(gateway: Gateway) -> None:
    threads = {each.name for each in threading.enumerate()}

    def over() -> None:
        raise SessionFailed("over")

    gateway.beat = over
    follow(gateway, heartbeat=0.001)
    assert gateway.beats.acquire(timeout=PATIENCE)
    beating = [t for t in threading.enumerate() if t.name == "beat" and t.name not in threads]
    for thread in beating:
        thread.join(PATIENCE)
    assert not gateway.beats.acquire(blocking=False)


def sink_of(gateway: Gateway) -> HttpSink:
    return HttpSink(gateway, "s", follow(gateway))  # type: ignore[arg-type]


def sent(sink: HttpSink, what: str) -> Future[None]:
    return sink.batch("users", "0", 1, b"") if what == "batch" else sink.end("users", "0", 2)


SENT = pytest.mark.parametrize("what", ["batch", "end"])
OVER = SessionFailed("the session has ended")


@SENT
@pytest.mark.parametrize("refusal", [OVER, SessionFailed("the session is completed")])
def test_a_session_that_completed_had_what_was_sent_once_more(
    gateway: Gateway, what: str, refusal: SessionFailed
) -> None:
    """The answer was lost; the call repeated came after the session's end."""
    gateway.refusal = refusal
    sink = sink_of(gateway)
    future = sent(sink, what)
    assert gateway.waiting.wait(PATIENCE)
    assert not future.done()  # nobody knows yet
    gateway.end.set()
    assert future.result(PATIENCE) is None
    sink.close()


@SENT
@pytest.mark.parametrize("refusal", [OVER, Cancelled("the session is cancelled")])
def test_of_a_session_that_failed_the_events_tell_the_reason(
    gateway: Gateway, what: str, refusal: CoffeeshopError
) -> None:
    gateway.refusal = refusal
    gateway.last = Event("failed", {"reason": "the node burned"}, 1)
    gateway.end.set()
    sink = sink_of(gateway)
    with pytest.raises(SessionFailed, match="the node burned"):
        sent(sink, what).result(PATIENCE)
    sink.close()


def test_a_refusal_counts_when_no_event_explains_it(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "REASON_TIMEOUT", 0.01)
    gateway.refusal = OVER
    sink = sink_of(gateway)
    with pytest.raises(SessionFailed, match="the session has ended"):
        sent(sink, "batch").result(PATIENCE)
    sink.close()


def test_closing_a_sink_ends_what_it_would_repeat(gateway: Gateway) -> None:
    sink = sink_of(gateway)
    futures = [sink.batch("users", "0", number, b"") for number in range(2)]
    futures.append(sink.end("users", "0", 2))
    assert gateway.waiting.wait(PATIENCE)
    sink.close()
    for future in futures:
        if not future.cancelled():
            assert isinstance(future.exception(PATIENCE), Unreachable)


def test_a_cancellation_that_nobody_hears_does_not_hide_what_led_to_it(gateway: Gateway) -> None:
    module._cancel(gateway, "s", {})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("shop 1", "shop 1"),
        ("a/b\\c", "a_b_c"),
        ("tab\tline\n\x7f\x00", "tab_line___"),
        ("é [red]", "é [red]"),
        ("\udcff", "_"),
        ("x" * 300, "x" * 200),
    ],
)
def test_a_folders_name_is_made_fit_for_lists(name: str, shown: str) -> None:
    assert printable(name) == shown


def test_every_warning_is_given_once() -> None:
    table = pa.table({"a": [1]}).replace_schema_metadata({"warnings": '["w", "v"]'})
    other = pa.table({"a": [1]}).replace_schema_metadata({"warnings": '["w"]'})
    assert warnings_of({"q": table, "r": other, "s": pa.table({"a": [1]})}) == ("w", "v")
    assert issubclass(Cancelled, CoffeeshopError)
