"""The protocol's model: with every safeguard it holds, without any one of them it fails.

`make model` runs the larger sizes, which take minutes.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.spec.tlc import SPEC, check, understood

Constants = dict[str, str]
SIZES: dict[str, Constants] = {
    "a crash and two owners": {"Crashes": "1", "Steals": "1"},
    "lost confirmations": {"Losses": "1"},
    "appends confirmed and gone, clients gone": {"Vanishes": "1", "Leaves": "1"},
    "expiry while somebody acts": {"Expiries": "1", "Steals": "1"},
    "a batch that kills": {"Poisons": "1", "Crashes": "1"},
    "two clients and one filter": {"Clients": "{1, 2}", "K": "1", "P": "1", "Crashes": "1"},
    "two clients and two filters": {"Clients": "{1, 2}", "K": "1"},
}
LARGER: dict[str, Constants] = {
    "a crash, two owners and a lost confirmation": {"Crashes": "1", "Steals": "1", "Losses": "1"},
    "clients gone while appends are": {"Vanishes": "1", "Leaves": "1", "Crashes": "1"},
    "two crashes of two clients": {"Clients": "{1, 2}", "K": "1", "Crashes": "2"},
    "three batches and three filters": {"K": "3", "P": "3"},
}
MUTANTS: dict[str, tuple[str, Constants]] = {
    # the safeguard -> what breaks, where
    "repeats": ("RightAnswer", {"Losses": "1"}),
    "count": ("RightAnswer", {}),
    "announced": ("RightAnswer", {}),
    "first": ("OneEnd", {"Expiries": "1"}),
    "ack": ("liveness", {"Crashes": "1"}),
    "resend": ("liveness", {"Losses": "1"}),
    "replay": ("liveness", {"Crashes": "1"}),
    "declare": ("liveness", {}),
    "keep": ("liveness", {}),
    "claims": ("liveness", {"Poisons": "1"}),
    "left": ("liveness", {"Vanishes": "1", "Leaves": "1"}),
    "repair": ("liveness", {"Vanishes": "1"}),
}


@pytest.mark.parametrize("size", SIZES)
def test_a_session_has_a_right_answer_or_one_failure_and_ends(size: str, tmp_path: Path) -> None:
    checked = check(tmp_path, **SIZES[size])
    assert checked.violated == "", checked.said
    print(f"{size}: {checked.states} states")
    assert checked.states > 500


@pytest.mark.long
@pytest.mark.parametrize("size", LARGER)
def test_it_holds_for_larger_sizes(size: str, tmp_path: Path) -> None:
    checked = check(tmp_path, timeout=3_000, **LARGER[size])
    assert checked.violated == "", checked.said
    print(f"{size}: {checked.states} states")


REPAIRED = ("ack", "resend", "declare")
"""Safeguards whose lack repair makes good: they are there so that it need not."""


@pytest.mark.parametrize("safeguard", MUTANTS)
def test_without_a_safeguard_the_model_fails(safeguard: str, tmp_path: Path) -> None:
    breaks, constants = MUTANTS[safeguard]
    without = [safeguard, *(["repair"] if safeguard in REPAIRED else [])]
    checked = check(tmp_path, **constants, Without=_set(without))
    assert checked.violated == breaks, checked.said


@pytest.mark.parametrize("safeguard", REPAIRED)
def test_repair_makes_good_what_lacks_a_safeguard_and_is_not_needed_with_it(
    safeguard: str, tmp_path: Path
) -> None:
    _, constants = MUTANTS[safeguard]
    for without in (safeguard, "repair"):
        checked = check(tmp_path, **constants, Without=_set([without]))
        assert checked.violated == "", checked.said


def _set(safeguards: list[str]) -> str:
    return "{" + ", ".join(f'"{each}"' for each in safeguards) + "}"


def test_every_safeguard_of_the_model_is_removed_once() -> None:
    text = SPEC.read_text()
    named = {part.split('"')[0] for part in text.split('Has("')[1:]}
    assert named == MUTANTS.keys()
    assert len(text.splitlines()) < 250


def test_a_model_that_cannot_be_checked_is_no_success() -> None:
    with pytest.raises(ValueError, match="Unknown operator"):
        understood("Semantic errors: Unknown operator")
