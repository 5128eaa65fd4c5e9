"""The command in a directory of the test's own."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.acceptance.command import Run, runner


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Runs the command in a directory of its own."""
    return runner(tmp_path)
