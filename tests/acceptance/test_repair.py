"""Records that the broker confirmed and lost are asked for, and answers are right all the same."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from random import Random

import pytest

from coffeeshop.actors import NodeConfig
from coffeeshop.client.remote import analyse
from coffeeshop.formats import to_csv
from coffeeshop.generate import generate
from coffeeshop.pipeline.messages import SessionSpec
from coffeeshop.reading.folder import open_folder
from coffeeshop.sessions.lifecycle import Timeouts
from coffeeshop.testing.broker import PrivateBroker
from coffeeshop.testing.faults import Losing, Vanishing
from coffeeshop.transport import Message, Transport, connect
from tests.acceptance.command import ok, runner, texts_of
from tests.running import new_id, running

SHARE = 0.05
ROWS_A_FILE = 400
AFTER = 0.3
"""Seconds after which tasks ask here."""
QUICK = NodeConfig(claims=True, repair_after=AFTER)
TIMEOUTS = Timeouts(stalled_after=4.0)


class Lossy:
    """Puts the fault around a transport, and keeps what it put there."""

    def __init__(self, seed: int, share: float = SHARE) -> None:
        self.chance, self.share = Random(seed), share
        self.made: list[Vanishing] = []

    def __call__(self, transport: Transport) -> Transport:
        self.made.append(Vanishing(transport, self.chance, self.share))
        return self.made[-1]

    @property
    def lost(self) -> int:
        return sum(each.injected for each in self.made)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Many small files: every table travels in several batches."""
    path = tmp_path_factory.mktemp("data")
    generate(path, transactions=4_000, seed=5)
    for file in sorted(path.glob("*/*.csv")):
        header, *rows = file.read_bytes().splitlines(keepends=True)
        for start in range(0, len(rows), ROWS_A_FILE):
            piece = file.with_name(f"{file.stem}-{start:06d}.csv")
            piece.write_bytes(header + b"".join(rows[start : start + ROWS_A_FILE]))
        file.unlink()
    return path


@pytest.fixture(scope="module")
def right(data: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    place = tmp_path_factory.mktemp("right")
    ok(runner(place)("submit", str(data), "--output-dir", "out"))
    return texts_of(place / "out")


def broker_of(request: pytest.FixtureRequest, kind: str) -> Transport | None:
    """Nothing: the memory transport."""
    if kind == "memory":
        return None
    broker: PrivateBroker = request.getfixturevalue("broker")
    return connect(broker.url)


@pytest.mark.parametrize(
    ("kind", "plan", "sessions"),
    [("memory", "fused", 2), ("memory", "staged", 1), ("rabbitmq", "fused", 1)],
)
def test_submit_gets_the_right_answers_though_confirmed_records_vanish(
    data: Path,
    right: dict[str, str],
    request: pytest.FixtureRequest,
    kind: str,
    plan: str,
    sessions: int,
    tmp_path: Path,
) -> None:
    lossy = Lossy(seed=3)
    inner = broker_of(request, kind)
    with running(inner=inner, wrapped=lossy, config=QUICK, timeouts=TIMEOUTS) as system:
        run = runner(tmp_path, COFFEESHOP_GATEWAY=system.url)
        for number in range(sessions):
            ok(run("submit", str(data), "--plan", plan, "--output-dir", f"out{number}"))
            assert texts_of(tmp_path / f"out{number}") == right
        print(f"{lossy.lost} records were lost")
        assert lossy.lost > 0


def is_first_of_its_client(name: str, message: Message) -> bool:
    headers = message.headers
    what = headers.get("kind"), headers.get("stream"), headers.get("number")
    return what == ("batch", "transactions", 0)


def test_each_client_of_a_session_sends_its_own_batches_again(
    data: Path, right: dict[str, str]
) -> None:
    losing: list[Losing] = []

    def wrapped(transport: Transport) -> Transport:
        losing.append(Losing(transport, Random(0), is_first_of_its_client))
        return losing[0]

    spec = SessionSpec(new_id(), producers=2)
    with running(wrapped=wrapped, config=QUICK, timeouts=TIMEOUTS) as system:
        clients = [system.client() for _ in range(2)]

        def run(producer: int) -> dict[str, str]:
            folder = open_folder(data)
            _, tables, _ = analyse(clients[producer], folder, spec, producer=producer)
            return {f"{name}.csv": to_csv(table).decode() for name, table in tables.items()}

        with ThreadPoolExecutor(2) as pool:
            assert list(pool.map(run, range(2))) == [right, right]
        assert losing[0].injected == 2
        assert system.gateways[0].sessions.repairs.counts["sent_again"] == 2
