"""What the machine and the shell do to a command: times, places, permissions, memory."""

from __future__ import annotations

import ctypes
import os
import resource
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest

from coffeeshop.client.results import write_results
from coffeeshop.generate import generate
from tests.acceptance.command import Run, command, environment, files_of, ok
from tests.running import PATIENCE

DROP_FROM_BOUNDS = 24
"""PR_CAPBSET_DROP: what the next program that is run will not be allowed."""
DAC_OVERRIDE, DAC_READ_SEARCH = 1, 2


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("surroundings") / "shop"
    generate(folder, transactions=300, seed=48)
    return folder


@pytest.mark.parametrize("seconds", ["inf", "1e10", "1e300", "1e400"])
def test_an_endless_timeout_is_none(run: Run, data: Path, seconds: str) -> None:
    ok(run("submit", "--data-folder", str(data), "--timeout", seconds, "--gateway-patience", "inf"))


@pytest.mark.parametrize("seconds", ["nan", "-1", "-inf", "soon", ""])
@pytest.mark.parametrize(
    "words",
    [
        ["submit", "--timeout"],
        ["submit", "--gateway-patience"],
        ["run-node", "--type", "worker", "--drain-timeout"],
        ["run-node", "--type", "gateway", "--result-ttl"],
    ],
)
def test_what_is_no_time_is_refused(
    seconds: str, words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    from coffeeshop.cli import main

    with pytest.raises(SystemExit) as end:
        main([*words, seconds])
    assert end.value.code == 2
    assert f"Invalid value for '{words[-1]}'" in capsys.readouterr().err


@pytest.mark.parametrize(
    "report",
    ["o/query1.csv", "o/rejected.csv", "o/../o/query4.csv", "o", "link", "in/users/*.csv"],
)
def test_a_report_replaces_neither_results_nor_input(
    tmp_path: Path, run: Run, data: Path, report: str
) -> None:
    (tmp_path / "in").symlink_to(data)
    (tmp_path / "link").symlink_to("o/query3.csv")
    report = next((str(each.relative_to(tmp_path)) for each in tmp_path.glob(report)), report)
    before = {file: file.read_bytes() for file in data.rglob("*.csv")}
    options = ("--output-dir", "o", "--report", report)
    done = run("submit", "--data-folder", "in", *options)
    assert done.returncode == 2
    assert "cannot write" in done.stderr
    assert not (tmp_path / "o").exists()
    assert {file: file.read_bytes() for file in data.rglob("*.csv")} == before


def test_of_two_runs_into_one_folder_all_files_are_of_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = [f"query{number}" for number in range(5)]
    half, go_on = threading.Event(), threading.Event()
    replace = os.replace

    def slowly(source: Path, target: Path) -> None:
        if threading.current_thread().name == "first" and target.name == "query2.csv":
            half.set()
            assert go_on.wait(PATIENCE)
        replace(source, target)

    def write(value: int) -> None:
        write_results({name: pa.table({"v": [value]}) for name in names}, tmp_path, "csv")

    monkeypatch.setattr(os, "replace", slowly)
    first = threading.Thread(target=write, args=(1,), name="first")
    second = threading.Thread(target=write, args=(2,), name="second")
    first.start()
    assert half.wait(PATIENCE)
    second.start()
    second.join(0.3)  # as long as it is held off there is nothing to wait for
    go_on.set()
    first.join(PATIENCE)
    second.join(PATIENCE)
    assert set(files_of(tmp_path).values()) == {b"v\n2\n"}


def without_privileges() -> None:
    """Whoever is root loses the right to read and write what permissions forbid."""
    if os.geteuid() == 0:
        system = ctypes.CDLL(None, use_errno=True)
        for privilege in (DAC_OVERRIDE, DAC_READ_SEARCH):
            if system.prctl(DROP_FROM_BOUNDS, privilege, 0, 0, 0):
                raise OSError(ctypes.get_errno(), "cannot drop privileges")


def unprivileged(directory: Path, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    """The command as somebody who may not read and write everything."""
    try:
        return subprocess.run(
            command(*arguments),
            cwd=directory,
            env=environment(**more),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            preexec_fn=without_privileges,
        )
    except subprocess.SubprocessError:
        pytest.skip("root may not drop its privileges here: run the tests as another user")


Spoil = Callable[[Path], object]
SPOILT: dict[str, tuple[Spoil, tuple[int, ...]]] = {
    "a table's folder that is not listed": (lambda p: (p / "shop/users").chmod(0o311), (2, 4)),
    "a table's folder that is not entered": (lambda p: (p / "shop/users").chmod(0o644), (2, 4)),
    "a data folder that is not listed": (lambda p: (p / "shop").chmod(0o000), (2, 4)),
    "a parent that is not entered": (lambda p: (p / "above").chmod(0o600), (2, 4)),
    "a file that is not read": (lambda p: next((p / "shop/users").iterdir()).chmod(0), (2, 4)),
    "a directory that is not written": (lambda p: p.chmod(0o555), (2,)),
    "results that are not written": (lambda p: (p / "results").mkdir(0o555), (2,)),
}


@pytest.mark.parametrize("what", SPOILT)
def test_what_may_not_be_read_or_written_is_named(tmp_path: Path, data: Path, what: str) -> None:
    spoil, codes = SPOILT[what]
    above = tmp_path / "above"
    above.mkdir()
    for folder in (tmp_path, above):
        subprocess.run(["cp", "-r", str(data), str(folder / "shop")], check=True)
    spoil(tmp_path)
    used = "above/shop" if "parent" in what else "shop"
    try:
        done = unprivileged(tmp_path, "submit", "--data-folder", used)
    finally:
        for each in (tmp_path, above, *tmp_path.rglob("*/")):
            each.chmod(0o755)
    assert done.returncode in codes, done.stderr
    assert "Permission denied" in done.stderr
    assert "bug" not in done.stderr
    assert "Traceback" not in done.stderr


def test_a_user_without_a_home_in_a_directory_that_is_not_written_gets_answers(
    tmp_path: Path, data: Path
) -> None:
    out = tmp_path / "out"
    out.mkdir()
    out.chmod(0o777)
    subprocess.run(["cp", "-r", str(data), str(tmp_path / "shop")], check=True)
    tmp_path.chmod(0o555)
    try:
        done = unprivileged(
            tmp_path, "submit", "--data-folder", "shop", "--output-dir", str(out / "r"), HOME="/x"
        )
    finally:
        tmp_path.chmod(0o755)
    assert done.returncode == 0, done.stderr
    assert len(files_of(out / "r")) == 5


@pytest.mark.parametrize("mebibytes", [60, 200, 400])
def test_too_little_memory_is_no_bug(tmp_path: Path, data: Path, mebibytes: int) -> None:
    def limited() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (mebibytes << 20, mebibytes << 20))

    done = subprocess.run(
        command("submit", "--data-folder", str(data)),
        cwd=tmp_path,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        preexec_fn=limited,
    )
    assert done.returncode not in (0, 70), done.stderr
    assert "bug" not in done.stderr
    assert "memory" in done.stderr.lower()
