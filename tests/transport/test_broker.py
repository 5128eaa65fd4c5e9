"""The private broker of the test kit."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from coffeeshop.errors import Unreachable
from coffeeshop.testing.broker import PrivateBroker
from coffeeshop.testing.guarded import Guarded

KILLED_PARENT = """
import os, signal, sys
from pathlib import Path
from coffeeshop.testing.guarded import Guarded
folder = Path(sys.argv[1])
child = Guarded(["sleep", "600"], folder, {}, sys.stdout.buffer, str(folder / "gone"))
print(child.process.pid, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_guarded_process_ends_when_its_parent_is_killed(tmp_path: Path) -> None:
    (tmp_path / "gone").mkdir()
    parent = subprocess.run(
        [sys.executable, "-c", KILLED_PARENT, str(tmp_path)], stdout=subprocess.PIPE, timeout=60
    )
    # The pipe was the child's, too: that `run` returned means that the child has ended.
    assert int(parent.stdout) > 0
    assert parent.returncode == -9
    while (tmp_path / "gone").exists():  # the guard's next step; the test's time limit ends this
        pass


def test_a_guarded_process_that_ignores_the_signal_is_killed(tmp_path: Path) -> None:
    with (tmp_path / "console").open("ab") as console:
        stubborn = Guarded(
            ["/bin/sh", "-c", "trap '' TERM; echo ready; while :; do sleep 600; done"],
            tmp_path,
            {"PATH": "/bin:/usr/bin"},
            console,
            "",
        )
    while b"ready" not in (tmp_path / "console").read_bytes():
        pass
    stubborn.end(15, patience=0.1)  # type: ignore[arg-type]
    assert stubborn.process.returncode == -9


def test_a_broker_that_cannot_start_says_why() -> None:
    with (
        pytest.raises(Unreachable, match="it ended with 1"),
        PrivateBroker(config="nonsense = true"),
    ):
        pass


def test_a_broker_that_is_too_slow_is_given_up() -> None:
    with pytest.raises(Unreachable, match="in time"), PrivateBroker(patience=0.3):
        pass


def test_a_broker_starts_twice_harmlessly_and_answers_its_operator(broker: PrivateBroker) -> None:
    pid = broker.pid
    broker.start()
    assert (broker.pid, broker.running) == (pid, True)
    assert "guest" in broker.rabbitmqctl("list_users")
    with pytest.raises(subprocess.CalledProcessError):
        broker.rabbitmqctl("no_such_command")
    assert broker.evaluate('io:format("~p", [1 + 1])') == "2"
    with pytest.raises(subprocess.CalledProcessError):
        broker.evaluate('io:format("2"), erlang:error(bad)')
    assert "Server startup complete" in broker.log()
