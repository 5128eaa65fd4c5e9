"""Which processes are there."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from coffeeshop.presence import LOOK, MISSING, NODES, SETTLING, NodeDirectory, Presence
from coffeeshop.transport import Message, Outcome
from coffeeshop.transport.memory import MemoryTransport
from tests.running import PATIENCE, eventually, readers_of

WALL = 1_000_000.0


class Time:
    """A clock that moves when told."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def now(self) -> float:
        return self.seconds

    def wall(self) -> float:
        return WALL + self.seconds


@pytest.fixture
def transport() -> Iterator[MemoryTransport]:
    made = MemoryTransport()
    yield made
    made.close()


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def directory(transport: MemoryTransport, time: Time) -> Iterator[NodeDirectory]:
    made = NodeDirectory(transport, now=time.now, wall=time.wall)
    made.start()
    yield made
    made.close()


def say(transport: MemoryTransport, body: Any) -> None:
    """Say it, and return when everybody who listens has heard it."""
    moment = threading.Event()
    text = body if isinstance(body, bytes) else json.dumps(body).encode()
    transport.append(NODES, Message({}, text), lambda outcome: None)
    # Outcomes and deliveries are one thread's work: the second outcome comes after the delivery.
    transport.append("no such journal", Message(), lambda outcome: None)
    transport.wake(NODES)
    transport.append("no such journal", Message(), lambda outcome: moment.set())
    assert moment.wait(PATIENCE)


def word(**fields: Any) -> dict[str, Any]:
    return {"id": "n1", "types": ["worker"], "at": WALL, "gone": False, **fields}


def test_a_node_that_says_so_is_there(
    transport: MemoryTransport, directory: NodeDirectory, time: Time
) -> None:
    say(transport, word(tasks=3))
    time.seconds = 1.5
    ((found),) = directory.all()
    assert (found["id"], found["types"], found["tasks"]) == ("n1", ["worker"], 3)
    assert found["silent_seconds"] == 1.5


def test_its_last_word_counts(transport: MemoryTransport, directory: NodeDirectory) -> None:
    say(transport, word(tasks=3))
    say(transport, word(tasks=4))
    assert [node["tasks"] for node in directory.all()] == [4]


def test_a_silent_node_is_there_no_more_until_it_speaks_again(
    transport: MemoryTransport, directory: NodeDirectory, time: Time
) -> None:
    say(transport, word())
    time.seconds = MISSING + 0.1
    assert directory.all() == []
    say(transport, word(at=time.wall()))
    assert len(directory.all()) == 1


def test_a_node_that_said_goodbye_is_gone(
    transport: MemoryTransport, directory: NodeDirectory
) -> None:
    say(transport, word())
    say(transport, word(gone=True))
    assert directory.all() == []


def test_old_words_are_history(transport: MemoryTransport, directory: NodeDirectory) -> None:
    say(transport, word(at=WALL - 61))
    assert directory.all() == []


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[1]",
        b"null",
        b'"x"',
        b"[" * 100_000,
        b'{"id": "x"}',
        b'{"id": "x", "at": "now", "types": [], "gone": false}',
        b'{"id": "x", "at": 1000000, "types": 3, "gone": false}',
        b'{"id": "x", "at": 1000000, "types": []}',
        b"\xff",
    ],
    ids=range(10),
)
def test_what_makes_no_sense_is_left_out_and_the_rest_is_heard(
    transport: MemoryTransport, directory: NodeDirectory, body: bytes
) -> None:
    say(transport, body)
    say(transport, word())
    assert [node["id"] for node in directory.all()] == ["n1"]


def test_a_directory_that_never_began_closes_and_knows_no_node(transport: MemoryTransport) -> None:
    directory = NodeDirectory(transport)
    directory.close()
    say(transport, word())
    assert directory.all() == []
    assert readers_of(transport, NODES) == 0


def test_a_process_says_that_it_is_there_and_goodbye(transport: MemoryTransport) -> None:
    directory = NodeDirectory(transport)
    directory.start()
    presence = Presence(transport, ["gateway", "worker"], lambda: {"tasks": 7}, period=0.01)
    presence.start()
    eventually(lambda: directory.all(), "a node is listed")
    (node,) = directory.all()
    assert (node["id"], node["types"], node["tasks"]) == (presence.id, ["gateway", "worker"], 7)
    presence.close()
    eventually(lambda: not directory.all(), "the node is gone")
    directory.close()


def test_two_processes_have_two_names(transport: MemoryTransport) -> None:
    assert Presence(transport, [], dict).id != Presence(transport, [], dict).id


class Silent(MemoryTransport):
    """A broker that stores nothing and does not answer."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = threading.Semaphore(0)
        self.appended: list[Any] = []

    def append(self, name: str, message: Message, on_outcome: Any) -> None:
        self.appended.append(on_outcome)
        self.asked.release()


def test_while_the_broker_is_away_only_one_word_waits() -> None:
    transport = Silent()
    said = threading.Semaphore(0)

    def figures() -> dict[str, Any]:
        said.release()
        return {}

    presence = Presence(transport, [], figures, period=0.001)
    presence.start()
    assert transport.asked.acquire(timeout=PATIENCE)
    eventually(lambda: True, "a moment")
    assert len(transport.appended) == 1
    transport.appended[0](Outcome.UNKNOWN)
    assert transport.asked.acquire(timeout=PATIENCE)
    presence.close()
    assert len(transport.appended) == 3  # the two, and the goodbye
    transport.close()


def test_a_presence_that_never_began_says_no_goodbye(transport: MemoryTransport) -> None:
    Presence(transport, [], dict).close()
    assert transport.names() == []


def test_who_has_just_begun_to_listen_says_of_no_stage_that_nobody_runs_it(
    directory: NodeDirectory, time: Time
) -> None:
    assert directory.unserved(["filters"]) == []
    time.seconds = SETTLING + 0.1
    assert directory.unserved(["filters"]) == ["filters"]


def test_a_worker_runs_every_stage_and_others_their_own(
    transport: MemoryTransport, directory: NodeDirectory, time: Time
) -> None:
    time.seconds = SETTLING + 0.1
    say(transport, word(types=["gateway", "filter_year"]))
    assert directory.unserved(["filter_year", "filter_hour"]) == ["filter_hour"]
    say(transport, word(id="n2"))
    assert directory.unserved(["filter_year", "filter_hour"]) == []
    say(transport, word(id="n2", gone=True))
    assert directory.unserved(["filter_year", "filter_hour"]) == ["filter_hour"]
    time.seconds += MISSING + LOOK
    assert directory.unserved(["filter_year"]) == ["filter_year"]


def test_the_tasks_of_a_session_are_those_of_all_nodes(
    transport: MemoryTransport, directory: NodeDirectory
) -> None:
    for name in ("n1", "n2"):
        hosted = {"all": True, "sessions": {"s": {"filters": 1}, name: {"query1": 2}}}
        say(transport, word(id=name, hosted=hosted))
    say(transport, word(id="g", types=["gateway"]))
    assert directory.tasks_of("s") == {"filters": 2}
    assert directory.tasks_of("n1") == {"query1": 2}
    assert directory.tasks_of("unknown") == {}


@pytest.mark.parametrize("hosted", [None, {"all": False, "sessions": {"s": {}}}, {"all": 1}])
def test_where_one_node_does_not_tell_of_all_its_sessions_nothing_is_known(
    transport: MemoryTransport, directory: NodeDirectory, hosted: object
) -> None:
    say(transport, word(hosted=hosted))
    assert directory.tasks_of("t") is None
