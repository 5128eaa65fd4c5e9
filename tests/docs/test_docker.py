"""The stand-in for docker lets through what is right, and nothing else."""

from __future__ import annotations

from pathlib import Path

import click
import pytest

from tests.docs.docker import main


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".data" / "shop").mkdir(parents=True)
    (tmp_path / "more.yaml").write_text("services: {prometheus: {image: x, profiles: [watched]}}")
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    "line",
    [
        "compose up --detach --build --wait --scale worker=2",
        "compose --profile staged up -d filter_year gateway",
        "compose --profile staged logs --follow --tail 100",
        "compose -f more.yaml --profile watched up prometheus",
        "compose run --rm client --data-folder shop --plan staged --verbose",
        "compose run --rm worker run-node --type filter_hour",
        "compose exec gateway coffeeshop nodes --json",
        "compose exec rabbitmq rabbitmq-diagnostics status",
        "compose down",
    ],
)
def test_a_right_command_passes(line: str) -> None:
    assert main(line.split()) == 0


@pytest.mark.parametrize(
    "line",
    [
        "run hello-world",
        "compose up nothing",
        "compose up --scale nothing=2",
        "compose up --scale worker=many",
        "compose --profile nothing up",
        "compose --file nothing.yaml up",
        "compose run nothing",
        "compose run client --data-folder nothing",
        "compose exec gateway",
    ],
)
def test_a_wrong_command_is_refused(line: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(line.split()) == 2
    assert capsys.readouterr().err.startswith("docker: ")


@pytest.mark.parametrize("line", ["compose", "compose dance", "compose up --dance"])
def test_what_compose_does_not_know_is_refused(line: str) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(line.split())


@pytest.mark.parametrize(
    "line",
    [
        "compose run client --dance",
        "compose run client --plan dance",
        "compose run worker dance",
        "compose exec worker coffeeshop dance",
    ],
)
def test_arguments_that_the_command_line_refuses_are_refused(line: str) -> None:
    with pytest.raises(click.UsageError):
        main(line.split())
