"""What the servers of a benchmark took."""

from __future__ import annotations

import os
import subprocess
import sys
import time

import pytest
from concurrency import percentile95
from service import Service, per_million, since

BUSY = "import time\nwhile time.process_time() < 0.5: pass\n"
WITH_CHILDREN = f"""
import subprocess, sys
busy = [sys.executable, "-c", {BUSY!r}]
subprocess.run(busy)
lives = subprocess.Popen([sys.executable, "-c", {BUSY!r} + "print('busy', flush=True); input()"])
sys.stdin.readline()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="/proc: Linux only")
def test_processor_time_is_that_of_a_process_and_its_children_ended_or_not() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", WITH_CHILDREN],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        service = Service("", {"it": [process.pid], "this": [os.getpid()]})
        before = service.processor_seconds()
        assert 0.9 <= before["it"] < 5
        began = time.process_time()
        while time.process_time() < began + 0.3:
            pass
        used = since(before, service.processor_seconds())
        assert used["it"] < 0.2
        assert used["this"] >= 0.25
        process.kill()


def test_processor_time_is_told_per_million_rows() -> None:
    said = per_million({"client": 4.0, "broker": 1.0}, 2_000_000)
    assert said == "client 2.000, broker 0.500: 2.500 in all"


def test_the_95th_percentile_is_a_time_within_which_95_of_100_had_their_answer() -> None:
    assert percentile95([float(n) for n in range(1, 101)]) == pytest.approx(95.05)
    assert percentile95([2.0]) == 2.0
