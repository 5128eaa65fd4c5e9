"""What the audit of the dependencies makes of what its tool says."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

SCRIPT = Path(__file__).parents[2] / "scripts" / "audit.sh"
FINE: dict[str, Any] = {"name": "a", "version": "1", "vulns": []}
SKIPPED = {"name": "b", "skip_reason": "not found on PyPI and could not be audited"}
BAD = {
    "name": "c",
    "version": "1",
    "vulns": [{"id": "PYSEC-1", "fix_versions": ["2"], "description": "ConnectionError"}],
}
NO_ANSWER = "requests.exceptions.ConnectionError: Max retries exceeded"


def audited(
    folder: Path, code: int, packages: list[dict[str, Any]] | None, said: str = ""
) -> subprocess.CompletedProcess[str]:
    """Run the script with a stand-in of its tool that says this."""
    report = "" if packages is None else json.dumps({"dependencies": packages, "fixes": []})
    (folder / "report").write_text(report)
    (folder / "said").write_text(said)
    (folder / "arguments").write_text("")
    tool = folder / "pip-audit"
    tool.write_text(
        f'#!/bin/sh\nprintf "%s " "$@" >"{folder}/arguments"\n'
        f'cat "{folder}/report"\ncat "{folder}/said" >&2\nexit {code}\n'
    )
    tool.chmod(0o755)
    return subprocess.run(
        ["sh", str(SCRIPT)],
        env={**os.environ, "PIP_AUDIT": str(tool)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_nothing_known_of_any_package_is_a_success(tmp_path: Path) -> None:
    done = audited(tmp_path, 0, [FINE, FINE], "No known vulnerabilities found")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "audit: no known vulnerability in 2 packages\n"
    assert "--requirement constraints.txt" in (tmp_path / "arguments").read_text()


@pytest.mark.parametrize("others", [[], [FINE], [SKIPPED]])
def test_what_is_found_fails_and_is_shown(tmp_path: Path, others: list[dict[str, Any]]) -> None:
    done = audited(tmp_path, 1, [BAD, *others], "Found 1 known vulnerability in 1 package")
    assert done.returncode == 1
    assert "PYSEC-1" in done.stderr
    assert "NOT AUDITED" not in done.stderr


@pytest.mark.parametrize(
    ("code", "packages", "said"),
    [
        (1, None, NO_ANSWER),
        (1, None, "ERROR: Could not connect to PyPI's vulnerability feed"),
        (1, None, "HTTPError: 503 Server Error: Service Unavailable"),
        (0, [SKIPPED, SKIPPED], "No known vulnerabilities found"),
    ],
    ids=["no connection", "not connected", "unavailable", "a mirror without the database"],
)
def test_a_database_that_does_not_answer_is_told_loudly(
    tmp_path: Path, code: int, packages: list[dict[str, Any]] | None, said: str
) -> None:
    done = audited(tmp_path, code, packages, said)
    assert done.returncode == 0
    assert "DEPENDENCIES NOT AUDITED" in done.stderr
    assert done.stdout == ""


@pytest.mark.parametrize(
    ("code", "packages", "said"),
    [
        (0, [FINE, SKIPPED], "No known vulnerabilities found"),
        (0, None, ""),
        (2, None, "pip-audit: error: unrecognized arguments"),
        (127, None, "not found"),
    ],
    ids=["some not audited", "no report", "usage", "no tool"],
)
def test_an_audit_of_less_than_everything_fails(
    tmp_path: Path, code: int, packages: list[dict[str, Any]] | None, said: str
) -> None:
    done = audited(tmp_path, code, packages, said)
    assert done.returncode == 1
    assert said in done.stderr
