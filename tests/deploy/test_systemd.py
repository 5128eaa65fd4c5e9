"""The systemd units: systemd accepts them, and coffeeshop the commands in them."""

from __future__ import annotations

import configparser
import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs.command_line import complaint
from tests.docs.markdown import ROOT

UNITS = ROOT / "deploy" / "systemd"
TEMPLATES = sorted(UNITS.glob("*@.service"))
PROGRAM = "/opt/coffeeshop/bin/coffeeshop"


def unit(file: Path) -> configparser.ConfigParser:
    """A unit; of a key that is given several times the last value."""
    parser = configparser.ConfigParser(strict=False, interpolation=None, delimiters=("=",))
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read(file)
    return parser


def test_systemd_finds_nothing_wrong_with_the_units(tmp_path: Path) -> None:
    if shutil.which("systemd-analyze") is None:
        reason = "UNITS NOT TESTED: systemd is not installed"
        if "CI" in os.environ:
            pytest.fail(reason)
        pytest.skip(reason)
    program = str(Path(sys.executable).with_name("coffeeshop"))
    for file in UNITS.iterdir():
        (tmp_path / file.name).write_text(file.read_text().replace(PROGRAM, program))
    names = [file.name.replace("@.", "@1.") for file in TEMPLATES] + ["coffeeshop.target"]
    done = subprocess.run(
        ["systemd-analyze", "verify", *(str(tmp_path / name) for name in names)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("file", TEMPLATES, ids=lambda file: file.name)
def test_the_command_of_a_unit_is_one_that_coffeeshop_understands(file: Path) -> None:
    program, *words = shlex.split(unit(file)["Service"]["ExecStart"].replace("%i", "1"))
    assert program == PROGRAM
    assert not complaint(words)


@pytest.mark.parametrize("file", TEMPLATES, ids=lambda file: file.name)
def test_a_unit_waits_longer_than_a_node_takes_to_stop(file: Path) -> None:
    service = unit(file)["Service"]
    assert int(service["TimeoutStopSec"]) > 10 + 30  # --drain-timeout, and the hard end after it
    assert service["RestartPreventExitStatus"].split() == ["2", "5"]


def test_instances_of_a_unit_have_ports_of_their_own() -> None:
    commands = [unit(file)["Service"]["ExecStart"] for file in TEMPLATES]
    assert all("port 900%i" in command or "port 910%i" in command for command in commands)
