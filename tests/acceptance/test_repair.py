"""Records that the broker confirmed and lost are asked for, and answers are right all the same."""

from __future__ import annotations

from collections.abc import Callable
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
from coffeeshop.transport import Message, Outcome, Transport, connect
from coffeeshop.transport.base import OnOutcome
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


class ConfirmedLate(Losing):
    """Loses those and confirms what is sent in their place only from when it is to `go_on`."""

    def __init__(self, inner: Transport) -> None:
        super().__init__(inner, Random(0), is_first_of_its_client)
        self._kept: list[Callable[[], None]] | None = []

    def append(self, name: str, message: Message, on_outcome: OnOutcome) -> None:
        def confirmed(outcome: Outcome) -> None:
            with self.lock:
                if self._kept is not None:
                    self._kept.append(lambda: on_outcome(outcome))
                    return
            on_outcome(outcome)

        again = self.injected == 2 and is_first_of_its_client(name, message)
        super().append(name, message, confirmed if again else on_outcome)

    def go_on(self) -> None:
        with self.lock:
            kept, self._kept = self._kept or [], None
        for call in kept:
            call()


@pytest.mark.parametrize("late", [False, True], ids=["confirmed", "confirmed-after-the-end"])
def test_each_client_of_a_session_sends_its_own_batches_again(
    data: Path, right: dict[str, str], late: bool
) -> None:
    losing: list[ConfirmedLate] = []

    def wrapped(transport: Transport) -> Transport:
        losing.append(ConfirmedLate(transport))
        return losing[0]

    spec = SessionSpec(new_id(), producers=2)
    with running(wrapped=wrapped, config=QUICK, timeouts=TIMEOUTS) as system:
        clients = [system.client() for _ in range(2)]

        def run(producer: int) -> dict[str, str]:
            folder = open_folder(data)
            _, tables, _ = analyse(clients[producer], folder, spec, producer=producer)
            return {f"{name}.csv": to_csv(table).decode() for name, table in tables.items()}

        with ThreadPoolExecutor(2) as pool:
            answers = pool.map(run, range(2))
            if late:
                log = system.gateways[0].sessions.log
                log.wait_for(
                    spec.id, lambda known: known is not None and known.state == "completed"
                )
            losing[0].go_on()
            assert list(answers) == [right, right]
        assert losing[0].injected == 2
        assert system.gateways[0].sessions.repairs.counts["sent_again"] == 2
