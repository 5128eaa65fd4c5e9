"""A name that was mistyped: the one that was meant is named."""

from __future__ import annotations

from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from coffeeshop.cli import cli
from coffeeshop.errors import UsageError
from coffeeshop.reading.folder import find_folder
from coffeeshop.suggestions import did_you_mean


@pytest.mark.parametrize(
    ("word", "known", "meant"),
    [
        ("workr", ["gateway", "worker"], "; did you mean 'worker'?"),
        ("WORKER", ["gateway", "worker"], "; did you mean 'worker'?"),
        ("dataset1", ["Dataset1"], "; did you mean 'Dataset1'?"),
        ("zzz", ["gateway", "worker"], ""),
        ("any", [], ""),
        ("", ["worker"], ""),
    ],
)
def test_the_nearest_name_is_suggested(word: str, known: list[str], meant: str) -> None:
    assert did_you_mean(word, known) == meant


@pytest.mark.parametrize(
    ("arguments", "meant"),
    [
        (["sumbit"], "submit"),
        (["sessons"], "sessions"),
        (["submit", "--data-foldr", "x"], "--data-folder"),
        (["results", "ID", "--qery", "query1"], "--query"),
        (["run-node", "--type", "workr"], "worker"),
        (["run-node", "--type", "aggregator_query5"], "aggregator_query"),
        (["submit", "--plan", "fuse"], "fused"),
        (["submit", "--format", "CSV"], "csv"),
        (["generate", "x", "--layout", "dir"], "dirs"),
        (["sessions", "--state", "complete"], "completed"),
        (["completion", "bsh"], "bash"),
    ],
    ids=" ".join,
)
def test_a_mistyped_word_is_an_error_that_names_the_right_one(
    arguments: list[str], meant: str
) -> None:
    done = CliRunner().invoke(cli, arguments)
    assert done.exit_code == 2
    *usage, error = done.stderr.splitlines()
    assert meant in error.lower().partition("did you mean")[2]
    assert not any("Example" in line for line in usage)


def test_a_choice_that_is_near_to_none_is_told_with_all_of_them() -> None:
    done = CliRunner().invoke(cli, ["submit", "--plan", "zzz"])
    assert "'zzz' is not one of 'fused', 'staged'." in done.stderr


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A data root with two folders and a file."""
    for name in ("dataset1", "north"):
        (tmp_path / name).mkdir()
    (tmp_path / "datset").touch()
    return tmp_path


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("datset1", "; did you mean 'dataset1'?"),
        ("zzz", "; found: dataset1, north"),
    ],
)
def test_a_folder_that_is_not_there_is_told_with_those_that_are(
    root: Path, name: str, words: str
) -> None:
    with pytest.raises(UsageError) as caught:
        find_folder(name, root)
    assert str(caught.value).endswith(words)


def test_without_a_data_root_there_is_nothing_to_suggest(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        find_folder("mine", tmp_path / "none")
    assert str(caught.value) == f"no data folder at mine nor {tmp_path / 'none' / 'mine'}"


def test_a_suggesting_choice_still_takes_its_choices() -> None:
    command = cli.commands["run-node"]
    context = command.make_context("run-node", ["--type", "worker", "--type", "gateway"])
    assert context.params["types"] == ("worker", "gateway")
    assert isinstance(context, click.Context)
