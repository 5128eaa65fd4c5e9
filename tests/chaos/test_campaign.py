"""A short campaign of every kind of fault, and the judgement of a report."""

from __future__ import annotations

from pathlib import Path

import pytest

from coffeeshop.testing.chaos import Campaign, Report, run
from tests.chaos.asking import Asking
from tests.chaos.campaign import BEGIN, END, described, write_into
from tests.oracle import answers


@pytest.mark.timeout(300)
def test_a_short_campaign_keeps_the_promise(broker: object, tmp_path: Path) -> None:
    campaign = Campaign(seed=4, seconds=6, clients=2, pause=2.0, growth=False)
    asking = Asking()
    report = run(campaign, tmp_path, asking.prepared(answers), print, ask=asking)
    print(described(report))
    assert report.kept, (report.wrong, report.refused, report.left)
    assert report.faults.total() >= 1
    assert report.asked["questions in SQL"] >= 1
    assert report.traces == report.sessions
    assert report.traces_cut <= report.traces / 2


def test_a_report_of_one_wrong_session_or_one_object_left_or_no_session_is_no_success() -> None:
    campaign = Campaign(1, 1)
    assert Report(campaign, sessions=1).kept
    assert not Report(campaign, sessions=1, wrong=["a"]).kept
    assert not Report(campaign, sessions=1, refused=["a"]).kept
    assert not Report(campaign, sessions=1, left=["in.s"]).kept
    assert not Report(campaign).kept
    grown = {"worker 0: MiB": (100, 121), "worker 0: threads": (7, 12), "worker 0: files": (9, 13)}
    grown |= {"broker: MiB": (200, 300), "broker: files": (60, 65)}
    report = Report(campaign, sessions=1, growth=grown)
    assert report.grown == [
        "worker 0: MiB: 100 -> 121",
        "worker 0: threads: 7 -> 12",
        "broker: files: 60 -> 65",
    ]
    assert not report.kept


def test_a_report_replaces_the_one_between_the_marks_of_a_document(tmp_path: Path) -> None:
    begin, end = BEGIN.format(""), END.format("")
    others = f"{BEGIN.format(' on a cluster')}\nother\n{END.format(' on a cluster')}"
    document = tmp_path / "reliability.md"
    document.write_text(f"before\n{begin}\nold\n{end}\nafter\n{others}\n")
    write_into(document, "new")
    assert document.read_text() == f"before\n{begin}\nnew\n{end}\nafter\n{others}\n"
    write_into(document, "newer", brokers=3)
    assert "\nnewer\n" in document.read_text()
    assert "\nother\n" not in document.read_text()
