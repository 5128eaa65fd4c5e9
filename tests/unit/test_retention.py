"""Which results go early because there are too many."""

from __future__ import annotations

from coffeeshop.pipeline.messages import SessionSpec
from coffeeshop.sessions.lifecycle import Session
from coffeeshop.sessions.retention import Retention

NOW = 100_000.0
RETENTION = Retention(sessions=4, client_sessions=3, bytes=1000, at_least=600.0)


def session(name: str, ended: float | None, size: int = 1, **how: object) -> Session:
    told = {"ended": ended, "released": True, "result_bytes": size, **how}
    return Session(SessionSpec(name), "g", 0.0, **told)  # type: ignore[arg-type]


def early(*sessions: Session) -> list[str]:
    return [each.spec.id for each in RETENTION.crowded_out(sessions, NOW, 1.0)]


def many(count: int, **how: object) -> list[Session]:
    return [session(f"s{number}", 10.0 + number, **how) for number in range(count)]


def test_nothing_goes_while_there_is_room() -> None:
    assert early(*many(4)) == []


def test_of_too_many_the_oldest_go() -> None:
    assert early(*reversed(many(6))) == ["s0", "s1"]


def test_of_one_client_with_too_many_its_own_go() -> None:
    assert early(*many(4, owner="alice")) == ["s0"]
    others = [session("t0", 1.0, owner="bob"), session("t1", 2.0)]
    bound = Retention(sessions=40, client_sessions=3)
    found = bound.crowded_out([*others, *many(5, owner="alice")], NOW, 1.0)
    assert [each.spec.id for each in found] == ["s0", "s1"]


def test_results_that_are_too_large_go() -> None:
    assert early(*many(3, result_bytes=400)) == ["s0"]


def test_what_somebody_keeps_what_is_open_and_what_just_ended_stays() -> None:
    kept = session("kept", 1.0, kept_until=NOW + 1)
    fresh = session("fresh", NOW - 599.0)
    unreleased = session("unreleased", 1.0, released=False)
    assert early(kept, session("open", None), fresh, unreleased, *many(2)) == ["s0", "s1"]


def test_there_is_room_for_the_next_before_there_is_none() -> None:
    bound = Retention(sessions=20, client_sessions=100)
    assert bound.crowded_out(many(19), NOW) == []
    assert len(bound.crowded_out(many(20), NOW)) == 1
