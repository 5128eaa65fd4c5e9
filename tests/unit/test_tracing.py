"""Spans where somebody wants them, and nothing at all otherwise."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from coffeeshop.commands.tracing import set_up_tracing
from coffeeshop.errors import UsageError
from coffeeshop.observability import tracing
from coffeeshop.settings import Settings
from tests.tracing import Memory, below, check_tree, traced

ROOT = str(Path(__file__).parents[2])
OTHER = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.fixture
def memory() -> Iterator[Memory]:
    with traced() as made:
        yield made


def test_without_tracing_every_span_is_nothing() -> None:
    with tracing.span("submit", {}, root=True) as span, tracing.under(OTHER):
        assert span is tracing.NO_SPAN
        assert tracing.begin("more", {}, parent=OTHER) is tracing.NO_SPAN
        assert tracing.headers() == {}
        tracing.record("told", {}, OTHER, tracing.now())
    assert not tracing.is_on()


def test_a_span_is_under_the_one_that_it_is_made_in(memory: Memory) -> None:
    with tracing.span("submit", {"session": "s"}, root=True), tracing.span("upload", {"rows": 3}):
        tracing.begin("stored", {}).end()
    spans = memory.spans()
    root = check_tree(spans)
    assert (root.name, root.attributes) == ("submit", {"coffeeshop.session": "s"})
    assert below(spans, root) == {"upload": 1}
    assert below(spans, memory.named("upload")[0]) == {"stored": 1}
    assert tracing.current() == ""


def test_a_span_may_be_told_of_when_it_is_over_and_elsewhere(memory: Memory) -> None:
    with tracing.span("submit", {}, root=True) as root:
        above = root.traceparent
    tracing.record("result built", {"rows": 1}, above, tracing.now() - 10**9)
    check_tree(memory.spans())
    (built,) = memory.exporter.get_finished_spans()[-1:]
    assert built.start_time is not None
    assert built.end_time is not None
    assert built.end_time - built.start_time >= 10**9


def test_the_context_of_another_process_is_gone_on_with(memory: Memory) -> None:
    with tracing.under(OTHER):
        assert tracing.headers() == {"traceparent": OTHER}
        tracing.begin("batch stored", {}).end()
    (span,) = memory.spans()
    assert f"{span.trace:032x}" in OTHER
    assert f"{span.parent:016x}" in OTHER


@pytest.mark.parametrize("said", ["", "nonsense", "00-" + "0" * 32 + "-" + "0" * 16 + "-01", "\n"])
def test_a_context_that_is_none_leads_to_no_parent(memory: Memory, said: str) -> None:
    with tracing.under(said):
        tracing.begin("batch stored", {}).end()
    assert [span.parent for span in memory.spans()] == [None] * len(memory.spans())


def test_nothing_is_traced_that_belongs_to_no_trace(memory: Memory) -> None:
    tracing.begin("batch stored", {}).end()
    tracing.record("result built", {}, "", tracing.now())
    assert memory.spans() == []


def test_what_is_raised_fails_the_span_and_tells_no_data(memory: Memory) -> None:
    with pytest.raises(ArithmeticError), tracing.span("submit", {}, root=True):
        raise ArithmeticError("the value was 'secret'")
    (span,) = memory.exporter.get_finished_spans()
    assert span.status.description == "ArithmeticError"
    assert "secret" not in span.to_json()


def test_after_its_end_nothing_is_traced() -> None:
    with traced() as memory:
        pass
    with tracing.span("submit", {}, root=True):
        pass
    assert memory.spans() == []


def missing(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("opentelemetry.sdk.resources", "opentelemetry.sdk.trace"):
        monkeypatch.setitem(sys.modules, name, None)


def test_tracing_that_is_wanted_and_not_installed_is_a_mistake(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    missing(monkeypatch)
    with pytest.raises(UsageError, match=r"coffeeshop\[tracing\]"):
        set_up_tracing(Settings(), True)


def test_a_variable_for_other_programs_stops_nobody(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    missing(monkeypatch)
    set_up_tracing(Settings(tracing=True), False)
    assert "tracing.not_installed" in "".join(capfd.readouterr())
    assert not tracing.is_on()


def test_both_commands_have_the_option() -> None:
    from coffeeshop.cli import cli

    for name in ("submit", "run-node"):
        found = CliRunner().invoke(cli, [name, "--help"])
        assert "--tracing" in click.unstyle(found.output)


PROGRAM = """
import sys
from pathlib import Path
from coffeeshop.reading.folder import open_folder
from coffeeshop.client import gateway, remote
from coffeeshop.generate import generate
from coffeeshop.local import LocalSystem
import coffeeshop.service
folder = Path(sys.argv[1]) / "data"
generate(folder, transactions=300, seed=1)
with LocalSystem() as system:
    system.analyse(open_folder(folder))
print(sorted(name for name in sys.modules if name.startswith("opentelemetry")))
"""


def test_without_tracing_the_library_is_not_even_loaded(tmp_path: Path) -> None:
    """In clients and workers. A gateway's web framework loads the API itself, but no SDK."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(tmp_path)],
        env={"PYTHONPATH": ROOT, "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "[]"
