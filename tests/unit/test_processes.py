"""What a test starts does not outlive it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from coffeeshop.testing.guarded import Guard

NODE = """
import os, sys, threading
with open(os.environ["HEARD"], "w") as heard:
    print(*sys.argv[1:], file=heard, flush=True)
    threading.Event().wait(60)
    print("not killed", file=heard)
"""
PARENT = """
import sys, threading
from coffeeshop.testing.processes import NodeProcess
node = NodeProcess(["--type", "worker"], {"HEARD": sys.argv[1]}, "node")
threading.Event().wait()
"""


def test_a_node_process_ends_when_the_one_that_started_it_is_killed(tmp_path: Path) -> None:
    (tmp_path / "node.py").write_text(NODE)
    os.mkfifo(tmp_path / "heard")
    paths = [str(tmp_path), *sys.path]
    with (
        subprocess.Popen(
            [sys.executable, "-c", PARENT, str(tmp_path / "heard")],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))},
        ) as parent,
        (tmp_path / "heard").open() as heard,
    ):
        assert heard.readline() == "run-node --verbose --type worker\n"
        parent.kill()
        # Until the node, which nobody else hears, has closed its end.
        assert heard.read() == ""


def test_a_process_that_was_let_be_outlives_its_guard() -> None:
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        guard = Guard(process.pid)
        guard.release()
        guard.release()
        assert process.communicate(b"still there", timeout=60)[0] == b"still there"
    assert process.returncode == 0
