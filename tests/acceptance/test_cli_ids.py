"""Sessions as people name them: by the beginning of an id, or by the folder's name."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from coffeeshop.pipeline.messages import SessionSpec
from tests.acceptance.command import Run, found, ok
from tests.running import Running

FIRST = "aaaa1111-0000-4000-8000-000000000001"
SECOND = "aaaa2222-0000-4000-8000-000000000002"
NAMED = "bbbb3333-0000-4000-8000-000000000003"


@pytest.fixture(scope="module", autouse=True)
def sessions(idle: Running) -> Iterator[None]:
    client = idle.client()
    for name, folder in ((FIRST, "shop"), (SECOND, "shop"), (NAMED, "a rather long name " * 5)):
        client.open(SessionSpec(name), folder)
    yield
    for name in (FIRST, SECOND, NAMED):
        client.delete(name)


@pytest.mark.parametrize("wanted", ["b", "BBBB3", "bbbb3333-0000", "a rather long name " * 5])
def test_a_few_letters_or_a_name_are_enough(run_idle: Run, wanted: str) -> None:
    assert found(run_idle("status", wanted, "--json"))["id"] == NAMED


@pytest.mark.parametrize(
    ("wanted", "words"),
    [
        ("aaaa", ("may be any of 2 sessions", "aaaa2222 (shop, open)", "more letters")),
        ("shop", ("may be any of 2 sessions", "aaaa1111 (shop, open)")),
        ("cc", ("no session has an id that begins with 'cc'", "hint: coffeeshop sessions")),
        ("nothing", ("or that name",)),
    ],
)
def test_what_means_none_or_several_is_said(
    run_idle: Run, wanted: str, words: tuple[str, ...]
) -> None:
    done = run_idle("watch", wanted)
    assert done.returncode == 2
    assert all(each in done.stderr for each in words)
    assert "UUID" not in done.stderr


@pytest.mark.parametrize("columns", ["60", "80"])
def test_ids_and_states_are_never_broken_over_lines(run_idle: Run, columns: str) -> None:
    shown = ok(run_idle("sessions", COLUMNS=columns))
    for name in (FIRST, SECOND, NAMED):
        (line,) = [line for line in shown.splitlines() if line.startswith(name[:8])]
        assert " open " in line
        assert name not in line
    assert " ago" in shown or "just now" in shown


def test_wide_shows_them_whole_with_the_zone_of_the_time(run_idle: Run) -> None:
    shown = ok(run_idle("sessions", "--wide", COLUMNS="200", TZ="UTC"))
    assert all(name in shown for name in (FIRST, SECOND, NAMED))
    assert " UTC" in shown


def test_a_session_is_shown_in_words(run_idle: Run) -> None:
    lines = ok(run_idle("status", FIRST)).splitlines()
    shown = dict(re.split(r"\s{2,}", line.strip(), maxsplit=1) for line in lines if line.strip())
    assert shown["uploaded"].strip() == "no"
    assert shown["heartbeat"].strip() == "15 s"
    assert shown["stores"].strip() == "not complete yet"


def test_what_has_ended_is_not_cancelled_again(run_idle: Run, idle: Running) -> None:
    spec = SessionSpec("cccc0000-0000-4000-8000-000000000004")
    idle.client().open(spec)
    assert ok(run_idle("cancel", "cccc")) == f"{spec.id} cancelled\n"
    again = run_idle("cancel", "cccc")
    assert ok(again) == f"{spec.id} is already cancelled; there is nothing to cancel\n"
    idle.client().delete(spec.id)
