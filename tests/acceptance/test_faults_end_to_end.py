"""Faults of the transport change nothing about a session's one result."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random

import pytest

from coffeeshop.actors import GetStatus, NodeStatus
from coffeeshop.errors import Unreachable
from coffeeshop.formats import to_csv
from coffeeshop.generate import generate
from coffeeshop.local import LocalSystem
from coffeeshop.reading.folder import DataFolder, open_folder
from coffeeshop.sessions import ingest
from coffeeshop.testing.crash import crash_tasks
from coffeeshop.testing.faults import (
    FAULTS,
    Cut,
    Duplicating,
    LostConfirms,
    RefusingAppends,
    Reordering,
)
from coffeeshop.testing.forwarding import Forwarding
from coffeeshop.transport import Transport
from coffeeshop.transport.memory import MemoryTransport

PATIENCE = 60.0
ROWS_A_FILE = 250
SEEDS = range(3)
Answers = dict[str, bytes]


@dataclass(frozen=True)
class Data:
    """A data folder and what it answers when nothing goes wrong."""

    folder: DataFolder
    answers: Answers


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Data:
    """Many small files, so that every table travels in several batches."""
    path = tmp_path_factory.mktemp("data")
    generate(path, transactions=2_000, seed=17)
    for file in sorted(path.glob("*/*.csv")):
        cut_up(file)
    folder = open_folder(path)
    with LocalSystem() as system:
        answers = analyse(system, folder)
    assert len(folder.files["transactions"]) == 8
    assert all(answer.count(b"\n") > 1 for answer in answers.values())
    return Data(folder, answers)


def cut_up(file: Path) -> None:
    header, *rows = file.read_bytes().splitlines(keepends=True)
    for start in range(0, len(rows), ROWS_A_FILE):
        piece = file.with_name(f"{file.stem}-{start:06d}.csv")
        piece.write_bytes(header + b"".join(rows[start : start + ROWS_A_FILE]))
    file.unlink()


def analyse(system: LocalSystem, folder: DataFolder, plan: str = "fused") -> Answers:
    _, completed = system.analyse(folder, plan=plan, timeout=PATIENCE)
    return {name: to_csv(table) for name, table in completed.tables.items()}


def sooner_or_later(system: LocalSystem, folder: DataFolder, plan: str = "fused") -> Answers:
    """As a client does that finds nobody: a session that cannot be opened is opened anew."""
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            return analyse(system, folder, plan)
        except Unreachable:
            assert time.monotonic() < deadline


def wait_until_idle(system: LocalSystem) -> None:
    """Ask the node until it hosts nothing: what is told after a session's end is on its way."""
    deadline = time.monotonic() + PATIENCE
    while (hosted := ask_hosted(system)).sessions:
        assert time.monotonic() < deadline, f"still hosted: {hosted}"


def ask_hosted(system: LocalSystem) -> NodeStatus:
    hosted: NodeStatus = system.node.ask(GetStatus(), timeout=PATIENCE)
    return hosted


@contextmanager
def healed(transport: Transport) -> Iterator[None]:
    """While inside, somebody heals a cut as soon as it is noticed."""
    over = threading.Event()

    def heal() -> None:
        while not over.is_set():
            if isinstance(transport, Cut) and transport.down.wait(0.02):
                transport.heal()

    healer = threading.Thread(target=heal)
    if isinstance(transport, Cut):
        healer.start()
    try:
        yield
    finally:
        over.set()
        if isinstance(transport, Cut):
            healer.join(PATIENCE)


def sessions_objects(memory: MemoryTransport) -> list[str]:
    return [name for name in memory.names() if not name.startswith("ctl.")]


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("fault", FAULTS)
def test_a_session_over_a_faulty_transport_gives_the_undisturbed_answers(
    data: Data, fault: str, seed: int
) -> None:
    memory = MemoryTransport()
    faulty = FAULTS[fault](memory, Random(seed))
    assert isinstance(faulty, Forwarding)
    with healed(faulty), LocalSystem(faulty) as system:
        for _ in range(2):  # the second time over a node that has seen it all
            assert sooner_or_later(system, data.folder) == data.answers
        assert faulty.injected > 0
        wait_until_idle(system)
        assert (system.node.is_alive(), system.failure) == (True, None)
        assert sessions_objects(memory) == []


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("plan", ["fused", "staged"])
def test_all_faults_at_once_and_a_crashing_task_change_no_answer(
    data: Data, plan: str, seed: int
) -> None:
    memory = MemoryTransport()
    faulty = everything(memory, seed)
    crashed = threading.Event()
    with (
        healed(faulty),
        crash_tasks(lambda _: crashed.set(), stage=STAGE_OF[plan]),
        LocalSystem(faulty) as system,
    ):
        assert sooner_or_later(system, data.folder, plan) == data.answers
        assert crashed.is_set()
        wait_until_idle(system)
        assert (system.node.is_alive(), system.failure) == (True, None)
        assert sessions_objects(memory) == []


STAGE_OF = {"fused": "filters", "staged": "filter_year"}


def everything(memory: MemoryTransport, seed: int) -> Cut:
    inner: Transport = memory
    layers: list[Callable[[Transport, Random], Transport]] = [
        lambda under, rng: LostConfirms(under, rng, share=0.1),
        lambda under, rng: Duplicating(under, rng, share=0.2),
        Reordering,
    ]
    for layer in layers:
        inner = layer(inner, Random(seed))
    return Cut(inner, Random(seed), after=(60, 120))


@pytest.mark.parametrize("seed", SEEDS)
def test_concurrent_sessions_over_a_faulty_transport_do_not_meet(data: Data, seed: int) -> None:
    memory = MemoryTransport()
    faulty = Duplicating(Reordering(RefusingAppends(memory, Random(seed)), Random(seed)), Random(9))
    answers: list[Answers] = []
    with LocalSystem(faulty) as system:
        clients = [
            threading.Thread(target=lambda: answers.append(sooner_or_later(system, data.folder)))
            for _ in range(3)
        ]
        for client in clients:
            client.start()
        for client in clients:
            client.join(PATIENCE)
        assert answers == [data.answers] * 3
        wait_until_idle(system)
        assert sessions_objects(memory) == []


@pytest.mark.parametrize("after", [1, 3, 6])
def test_a_session_that_cannot_be_opened_leaves_nothing_and_the_node_goes_on(
    data: Data, after: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ingest, "CONFIRM_TIMEOUT", 0.5)
    memory = MemoryTransport()
    cut = Cut(memory, Random(0), after=(after, after))
    with LocalSystem(cut) as system:
        with pytest.raises(Unreachable):
            analyse(system, data.folder)
        assert sessions_objects(memory) == []
        cut.heal(for_good=True)
        wait_until_idle(system)
        assert analyse(system, data.folder) == data.answers
