"""What a run took is what all of its processes took, and no run goes on for ever."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from compare import Comparison, Pairs, report
from contenders import RIVALS, Rival
from processes import Limits, Measured, Unfinished, measure

linux = pytest.mark.skipif(sys.platform != "linux", reason="trees of processes: Linux only")
BUSY = "import time\nwhile time.process_time() < 0.5: pass\n"
CHILD = f"import subprocess, sys\nsubprocess.run([sys.executable, '-c', {BUSY!r}])\n"
LEAVES = f"import subprocess, sys\nsubprocess.Popen([sys.executable, '-c', {BUSY!r}])\n"
IGNORES = f"import signal\nsignal.signal(signal.SIGCHLD, signal.SIG_IGN)\n{CHILD}"
HUNGRY = "import time\nkept = bytearray(200 << 20)\nkept[::4096] = b'x' * len(kept[::4096])\n"


def python(program: str) -> list[str]:
    return [sys.executable, "-c", program]


@linux
@pytest.mark.parametrize("program", [BUSY, CHILD, LEAVES, IGNORES])
def test_processor_time_is_that_of_all_processes(program: str) -> None:
    taken = measure(python(program), Limits(seconds=60.0)).processor_seconds
    assert 0.4 <= taken < 5


@linux
def test_the_peak_is_the_sum_of_processes_that_run_at_once() -> None:
    waits = f"{HUNGRY}time.sleep(1)"
    program = f"import subprocess, sys\n{HUNGRY}subprocess.run([sys.executable, '-c', {waits!r}])"
    assert 400 <= measure(python(program)).peak_mib < 600


def test_a_run_that_takes_too_long_is_killed_with_all_its_processes(tmp_path: Path) -> None:
    mark = tmp_path / "pid"
    child = f"import os, time\nopen({str(mark)!r}, 'w').write(str(os.getpid()))\ntime.sleep(90)"
    program = f"import subprocess, sys\nsubprocess.run([sys.executable, '-c', {child!r}])"
    with pytest.raises(Unfinished, match="no answer within 3 s"):
        measure(python(program), Limits(seconds=3.0))
    with pytest.raises(ProcessLookupError):
        os.kill(int(mark.read_text()), 0)


@linux
def test_a_run_that_takes_too_much_memory_is_killed() -> None:
    with pytest.raises(Unfinished, match="took more than 100 MiB"):
        measure(python(f"{HUNGRY}time.sleep(90)"), Limits(mib=100.0))


def test_a_run_that_fails_is_told_with_its_last_words() -> None:
    with pytest.raises(Unfinished, match="ended with 3: no memory left"):
        measure(python("import sys; print('no memory left'); sys.exit(3)"))


def test_a_rival_that_is_not_installed_is_said_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(RIVALS, "nonsense", Rival("x.py", ("no-such-package",), ("no-program",)))
    comparison = Comparison(tmp_path, tmp_path, Limits())
    comparison.run("nonsense", first=True)
    line = report(comparison.found, 1)[-1].split(maxsplit=1)
    assert line == ["nonsense", "not installed: no-such-package, no-program"]


def test_a_ratio_is_the_median_of_the_pairs() -> None:
    ours = [Measured(s, 2 * s, 100.0) for s in (1.0, 2.0, 9.0)]
    theirs = [Measured(s, s, 200.0) for s in (2.0, 8.0, 3.0)]
    pairs = Pairs(ours, theirs)
    assert (pairs.ratio("seconds"), pairs.ratio("processor_seconds")) == (0.5, 1.0)
    assert "target wall <= 0.50: met" in report({"duckdb": pairs}, 2_000_000)[-1]
    assert "target both <= 0.45: missed" in report({"duckdb": pairs}, 14_600_000)[-1]
