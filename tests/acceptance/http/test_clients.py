"""Clients of the gateway over its API: many at once, disturbed, leaving, detached."""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx2 as httpx
import pytest

from coffeeshop.client.gateway import GatewayClient
from coffeeshop.client.remote import analyse
from coffeeshop.errors import BadData, Cancelled, ProtocolError, SessionFailed, SessionTimeout
from coffeeshop.gateway.admission import Limits
from coffeeshop.generate import generate
from coffeeshop.pipeline.messages import SessionSpec
from coffeeshop.pipeline.plan import PLANS
from coffeeshop.reading.folder import open_folder
from coffeeshop.sessions.lifecycle import Timeouts
from tests.acceptance.http.requests import opened, state_of, texts
from tests.oracle import answers
from tests.running import PATIENCE, Running, eventually, http, new_id, readers_of, running


def test_a_client_waits_until_there_is_room(data: Path, expected: dict[str, str]) -> None:
    limits = Limits(in_memory=1000, session_window=800)
    with running(limits=limits) as system:
        _, tables, _ = analyse(system.client(), open_folder(data), SessionSpec(new_id()))
        assert texts(tables) == expected


def test_each_of_many_clients_at_once_gets_its_own_answers(tmp_path: Path) -> None:
    folders = [tmp_path / f"shop{number}" for number in range(20)]
    for seed, folder in enumerate(folders):
        generate(folder, transactions=200 + seed, seed=seed, layout="flat")
    wanted = [answers(folder) for folder in folders]
    assert len({json.dumps(each) for each in wanted}) == len(folders)
    with running(gateways=2) as system:

        def client(number: int) -> dict[str, str]:
            spec = SessionSpec(new_id(), list(PLANS)[number % 2])
            return texts(
                analyse(system.client(number // 2 % 2), open_folder(folders[number]), spec)[1]
            )

        with ThreadPoolExecutor(len(folders)) as pool:
            assert list(pool.map(client, range(len(folders)))) == wanted
        # Once more, without restarting anything.
        assert client(3) == wanted[3]


@pytest.mark.parametrize("producers", [2, 3])
@pytest.mark.parametrize("plan", PLANS)
def test_several_clients_feed_one_session(
    data: Path, expected: dict[str, str], plan: str, producers: int
) -> None:
    with running(gateways=2) as system:
        spec = SessionSpec(new_id(), plan, producers)

        def client(number: int) -> dict[str, str]:
            own = system.client(number % 2)
            return texts(analyse(own, open_folder(data), spec, producer=number)[1])

        with ThreadPoolExecutor(producers) as pool:
            assert list(pool.map(client, range(producers))) == [expected] * producers


class Watched(GatewayClient):
    """A client that is disturbed at its n-th batch."""

    def __init__(self, url: str, at: int, disturb: Callable[[str], None]) -> None:
        super().__init__(url, patience=PATIENCE)
        self._at = at
        self._disturb = disturb

    def put_batch(self, session: str, *batch: Any) -> None:
        self._at -= 1
        if self._at == 0:
            self._disturb(session)
        super().put_batch(session, *batch)


def disturbed(
    system: Running, folder: Path, disturb: Callable[[str], None], at: int = 2, **how: Any
) -> Any:
    client = Watched(system.url, at, disturb)
    try:
        return analyse(client, open_folder(folder), SessionSpec(new_id()), **how)
    finally:
        client.close()


def test_a_session_cancelled_while_it_is_sent_says_so(
    system: Running, api: httpx.Client, data: Path
) -> None:
    def cancel(session: str) -> None:
        api.post(f"/v1/sessions/{session}/cancel")
        eventually(lambda: state_of(api, session) == "cancelled", "the session is cancelled")

    with pytest.raises(Cancelled, match="cancelled by the client") as error:
        disturbed(system, data, cancel)
    assert error.value.exit_code == 6


def test_a_session_that_fails_while_it_is_sent_says_why(
    system: Running, api: httpx.Client, data: Path
) -> None:
    def spoil(session: str) -> None:
        gateway = system.gateways[0].sessions
        gateway.ingest(SessionSpec(session)).batch("menu_items", "0", 5, b"x").result(PATIENCE)
        gateway.ingest(SessionSpec(session)).end("menu_items", "0", 1).result(PATIENCE)
        eventually(lambda: state_of(api, session) == "failed", "the session failed")

    with pytest.raises(SessionFailed, match="menu_items"):
        disturbed(system, data, spoil)


def ended_as(api: httpx.Client, sessions: list[str], wanted: str) -> None:
    (session,) = sessions
    eventually(lambda: state_of(api, session) == wanted, f"the session is {wanted}")


@pytest.mark.parametrize(
    ("error", "state"),
    [
        (KeyboardInterrupt, "cancelled"),
        (SystemExit, "cancelled"),
        (ZeroDivisionError("a bug of the client"), "failed"),
    ],
)
def test_who_leaves_in_the_middle_ends_the_session(
    system: Running,
    api: httpx.Client,
    data: Path,
    error: BaseException | type[BaseException],
    state: str,
) -> None:
    seen: list[str] = []

    def leave(table: str, rows: int, size: int) -> None:
        raise error

    with pytest.raises(error if isinstance(error, type) else type(error)):
        disturbed(system, data, seen.append, at=1, on_progress=leave)
    if seen:  # the first batch may not have been on its way yet
        ended_as(api, seen, state)


def test_who_leaves_may_let_the_session_go_on(
    system: Running, api: httpx.Client, data: Path
) -> None:
    asked: list[str] = []

    def leave(table: str, rows: int, size: int) -> None:
        raise KeyboardInterrupt

    def keep(session: str) -> bool:
        asked.append(session)
        return True

    with pytest.raises(KeyboardInterrupt):
        disturbed(system, data, lambda session: None, on_progress=leave, keep_on_interrupt=keep)
    assert state_of(api, asked[0]) == "open"
    api.delete(f"/v1/sessions/{asked[0]}")


def test_refused_data_fails_the_session_with_its_first_ten_bad_rows(
    system: Running, api: httpx.Client, tmp_path: Path
) -> None:
    generate(tmp_path / "x", transactions=50, seed=1, layout="flat")
    file = tmp_path / "x" / "transactions.csv"
    lines = file.read_text().rstrip("\n").split("\n")
    for line in range(20, 44, 2):
        lines[line - 1] = f"broken {line}"
    file.write_text("\n".join(lines) + "\n")
    seen: list[str] = []
    with pytest.raises(BadData):
        disturbed(system, tmp_path / "x", seen.append, at=1)
    ended_as(api, seen, "failed")
    found = api.get(f"/v1/sessions/{seen[0]}").json()
    assert found["reason"].startswith("bad data: transactions.csv, line 20, value 'broken 20'")
    rows = [(row["file"], row["line"], row["value"]) for row in found["bad_rows"]]
    assert rows == [("transactions.csv", n, f"broken {n}") for n in range(20, 40, 2)]
    (listed,) = api.get("/v1/sessions", params={"q": "broken 20"}).json()["sessions"]
    assert (listed["id"], listed["state"]) == (seen[0], "failed")


def test_an_analysis_that_takes_too_long_is_cancelled(data: Path) -> None:
    with running(node=False) as system, http(system) as api:
        seen: list[str] = []
        with pytest.raises(SessionTimeout):
            disturbed(system, data, seen.append, at=1, timeout=1.0)
        ended_as(api, seen, "cancelled")


def test_a_detached_client_leaves_the_session_to_itself(
    system: Running, api: httpx.Client, data: Path, expected: dict[str, str]
) -> None:
    spec = SessionSpec(new_id())
    uploaded, tables, _ = analyse(system.client(), open_folder(data), spec, wait=False)
    assert uploaded.rows["transactions"] == 2_000
    assert tables == {} or texts(tables) == expected
    eventually(lambda: state_of(api, spec.id) == "completed", "the session is completed")


def test_joining_with_other_wishes_is_refused(system: Running, data: Path) -> None:
    spec = SessionSpec(new_id())
    system.client().open(spec)
    with pytest.raises(ProtocolError, match="different parameters"):
        analyse(system.client(), open_folder(data), SessionSpec(spec.id, "staged"))


def test_a_folder_of_any_name_can_be_sent(
    system: Running, data: Path, tmp_path: Path, expected: dict[str, str]
) -> None:
    folder = tmp_path / "a\\b\tc é [red]"
    folder.symlink_to(data)
    named = tmp_path / ("x" * 250)
    data_copy = named
    data_copy.mkdir()
    for file in data.iterdir():
        (data_copy / file.name).write_bytes(file.read_bytes())
    for each in (folder, named):
        _, tables, _ = analyse(system.client(), open_folder(each), SessionSpec(new_id()))
        assert texts(tables) == expected


def test_after_everything_only_control_objects_are_left(data: Path) -> None:
    timeouts = Timeouts(result_ttl=0.1)
    with running(gateways=2, timeouts=timeouts) as system, http(system) as api:
        for plan in PLANS:
            spec = SessionSpec(new_id(), plan)
            analyse(system.client(), open_folder(data), spec, wait=False)
        cancelled = opened(api)
        api.post(f"/v1/sessions/{cancelled}/cancel")
        eventually(lambda: system.left() == [], "nothing is left")
        eventually(
            lambda: readers_of(system.transport, "") == 2 * 2, "the gateways read what is theirs"
        )
