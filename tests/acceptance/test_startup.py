"""What a small analysis does not wait for."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from coffeeshop.cli import main
from tests.acceptance.command import environment

SLOW = (
    "asyncio",
    "fastapi",
    "httpx2",
    "opentelemetry",
    "pandas",
    "pika",
    "prometheus_client",
    "pyarrow.dataset",
    "pyarrow.fs",
    "pyarrow.parquet",
    "pydantic",
    "rich",
    "structlog",
    "uvicorn",
)
PROGRAM = f"""
import json, sys
from coffeeshop.cli import main
try:
    main(sys.argv[1:])
finally:
    print(json.dumps([name for name in {SLOW!r} if name in sys.modules]))
"""


@pytest.mark.parametrize("command", ["submit", "generate"])
def test_an_analysis_imports_nothing_that_it_does_not_need(
    tmp_path: Path, data: Path, command: str
) -> None:
    arguments = {"submit": [str(data), "-q"], "generate": ["made", "--transactions", "9", "-q"]}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, command, *arguments[command]],
        cwd=tmp_path,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert json.loads(done.stdout.splitlines()[-1]) == []


def test_pandas_is_there_again_after_a_command() -> None:
    with pytest.raises(SystemExit):
        main(["--version"])
    import pandas

    assert pandas.__version__


ENDING = """
import atexit, sys, threading
from coffeeshop.cli import program
{}
atexit.register(print, "at the end")
sys.argv[1:] = {}
program()
"""
WAITING = """
def work():
    threading.main_thread().join()
    print("worked")
threading.Thread(target=work).start()
"""


@pytest.mark.parametrize(("arguments", "code"), [(["--version"], 0), (["nonsense"], 2)])
@pytest.mark.parametrize(("before", "said"), [("", []), (WAITING, ["worked"])])
def test_a_process_that_ends_at_once_has_done_what_was_due(
    arguments: list[str], code: int, before: str, said: list[str]
) -> None:
    done = subprocess.run(
        [sys.executable, "-c", ENDING.format(before, arguments)],
        env=environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == code
    assert done.stdout.splitlines()[-1 - len(said) :] == [*said, "at the end"]
    assert ("error: " in done.stderr) is (code == 2)
