"""coffeeshop as a library, as scripts and notebooks use it."""

from __future__ import annotations

import asyncio
import csv
import subprocess
import sys
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pandas
import polars
import pyarrow as pa
import pyarrow.csv as pacsv
import pytest

import coffeeshop
from coffeeshop import errors, logins
from coffeeshop.errors import BadData, Cancelled, Forbidden, SessionTimeout, UsageError
from coffeeshop.gateway.security.access import Access
from coffeeshop.gateway.security.tokens import Tokens, line_of, new_token
from coffeeshop.generate import generate
from coffeeshop.schema import TABLES
from tests.oracle import QUERIES, answers
from tests.running import PATIENCE, Running, running

TRANSACTIONS = 2_000


@pytest.fixture(autouse=True)
def nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """No settings of whoever runs the tests."""
    for name in ("GATEWAY", "TOKEN", "TOKEN_FILE", "CA_FILE", "GATEWAY_PATIENCE"):
        monkeypatch.delenv(f"COFFEESHOP_{name}", raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", "/nonexistent")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small data folder that nobody changes."""
    folder = tmp_path_factory.mktemp("library") / "shop"
    generate(folder, transactions=TRANSACTIONS, seed=8, layout="flat")
    return folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """One of the test's own."""
    generate(tmp_path / "data", transactions=TRANSACTIONS, seed=8)
    return tmp_path / "data"


@pytest.fixture(scope="module")
def expected(whole: Path) -> dict[str, str]:
    return answers(whole)


@pytest.fixture(params=["here", "by a gateway"])
def client(request: pytest.FixtureRequest, system: Running) -> Iterator[coffeeshop.Client]:
    url = None if request.param == "here" else system.url
    with coffeeshop.Client(url) as made:
        yield made


def written(results: coffeeshop.Results, directory: Path) -> dict[str, str]:
    return {file.name: file.read_text() for file in results.write(directory)}


def test_answers_are_those_of_an_independent_engine_and_say_where_they_are_from(
    client: coffeeshop.Client, whole: Path, expected: dict[str, str], tmp_path: Path
) -> None:
    told: list[str] = []
    results = client.submit(whole, timeout=60, on_progress=lambda t, r, s: told.append(t))
    assert written(results, tmp_path / "out") == expected
    assert list(results) == list(QUERIES)
    assert results.rows["transactions"] == TRANSACTIONS
    assert set(told) == set(TABLES)
    assert results.seconds is not None
    assert results.seconds > 0
    assert len(results.session_id) == 36
    where = None if client.url is None else f"{client.url}/#/sessions/{results.session_id}"
    assert results.url == where
    assert len(results.sentences()) == 4


def test_a_session_is_begun_found_watched_and_fetched_later(
    client: coffeeshop.Client, whole: Path, expected: dict[str, str], tmp_path: Path
) -> None:
    session = client.submit(whole, wait=False, name="later")
    events = list(client.watch(session.id))
    assert [event.name for event in events] == ["result"] * len(QUERIES) + ["completed"]
    assert written(session.result(PATIENCE), tmp_path / "one") == expected
    assert session.state == "completed"
    assert session.info()["results"]
    assert session.id in {each.id for each in client.sessions("completed")}
    again = client.get(session.id)
    assert (again.name, again.url) == ("later", session.url)
    assert written(client.results(session.id), tmp_path / "two") == expected
    with pytest.raises(UsageError, match="no session"):
        client.get("00000000-0000-4000-8000-000000000000")


def test_a_session_is_cancelled(client: coffeeshop.Client, idle: Running, folder: Path) -> None:
    if client.url is not None:  # where nobody works it does not end by itself
        with coffeeshop.Client(idle.url) as there:
            session = there.submit(folder, wait=False)
            with pytest.raises(SessionTimeout):
                session.result(0.1)
            there.cancel(session.id)
            with pytest.raises(Cancelled):
                session.result(PATIENCE)
            assert session.state == "cancelled"
        return
    generate(folder.parent / "large", transactions=200_000, seed=1)
    session = client.submit(folder.parent / "large", wait=False)
    client.cancel(session.id)
    with pytest.raises(Cancelled):
        session.result(PATIENCE)
    assert [event.name for event in session.watch()][-1] == "cancelled"


def of_csv(folder: Path) -> dict[str, pa.Table]:
    return {table: pacsv.read_csv(folder / f"{table}.csv") for table in TABLES}


def rows_of(folder: Path) -> dict[str, list[dict[str, str]]]:
    return {
        table: list(csv.DictReader((folder / f"{table}.csv").read_text().splitlines()))
        for table in TABLES
    }


@pytest.mark.parametrize("kind", ["arrow", "pandas", "polars", "rows"])
def test_tables_in_memory_give_the_same_answers_as_their_files(
    whole: Path, expected: dict[str, str], tmp_path: Path, kind: str
) -> None:
    tables: dict[str, Any] = {
        "arrow": of_csv,
        "pandas": lambda folder: {n: t.to_pandas() for n, t in of_csv(folder).items()},
        "polars": lambda folder: {n: polars.from_arrow(t) for n, t in of_csv(folder).items()},
        "rows": rows_of,
    }[kind](whole)
    with coffeeshop.Client() as client:
        assert written(client.submit(tables=tables), tmp_path / "out") == expected


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"store": []}, "did you mean 'stores'"),
        ({"stores": 7}, "is a int; a table is"),
        ({"stores": pa.table({"x": [1]})}, "store_id"),
    ],
)
def test_what_is_no_table_is_said_with_its_name(
    whole: Path, change: dict[str, Any], words: str
) -> None:
    with coffeeshop.Client() as client, pytest.raises((UsageError, BadData)) as caught:
        client.submit(tables={**of_csv(whole), **change})
    assert words in str(caught.value)
    assert "/tmp" not in str(caught.value)


def test_a_bad_value_in_a_table_is_told_with_its_row(whole: Path) -> None:
    rows = rows_of(whole)
    rows["users"][3]["user_id"] = "x"
    with coffeeshop.Client() as client, pytest.raises(BadData) as caught:
        client.submit(tables=rows)
    error = caught.value
    assert (error.file, error.column, error.value) == ("tables['users']", "user_id", "x")
    assert error.row == 4


def test_results_become_dataframes(whole: Path) -> None:
    with coffeeshop.Client() as client:
        results = client.submit(whole)
    frames, exact = results.to_pandas(floats=True), results.to_pandas()
    assert isinstance(frames["query3"], pandas.DataFrame)
    assert str(frames["query3"]["tpv"].dtype) == "float64"
    assert isinstance(exact["query3"]["tpv"][0], Decimal)
    assert len(frames["query1"]) == results.query1.num_rows
    assert results.to_polars()["query3"]["tpv"].dtype.is_decimal()
    assert results.to_polars(floats=True)["query3"]["tpv"].dtype == polars.Float64
    with pytest.raises(KeyError, match="there are query1, query2_best_selling"):
        results["query2"]
    with pytest.raises(AttributeError, match="query2"):
        results.query2  # noqa: B018
    assert "query4" in dir(results)


def test_a_client_that_is_closed_says_so_at_once(client: coffeeshop.Client, whole: Path) -> None:
    client.close()
    client.close()
    for call in (lambda: client.submit(whole), client.sessions, lambda: client.cancel("x")):
        with pytest.raises(UsageError, match="closed"):
            call()  # type: ignore[no-untyped-call]


def test_closing_cancels_what_runs_in_this_process(folder: Path) -> None:
    generate(folder.parent / "large", transactions=200_000, seed=1)
    with coffeeshop.Client() as client:
        session = client.submit(folder.parent / "large", wait=False)
    with pytest.raises(Cancelled):
        session.result(PATIENCE)
    assert session.state == "cancelled"


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ({"partitions": 0}, "1 to 64"),
        ({"partitions": 1000}, "1 to 64"),
        ({"plan": "none"}, "fused, staged"),
        ({"timeout": -1.0}, "timeout"),
        ({"tables": {}}, "one of them"),
    ],
)
def test_arguments_that_make_no_sense_are_refused(
    whole: Path, how: dict[str, Any], words: str
) -> None:
    with coffeeshop.Client() as client, pytest.raises(UsageError, match=words):
        client.submit(whole, **how)


def test_a_folder_that_is_not_there_is_said_so() -> None:
    with coffeeshop.Client() as client, pytest.raises(UsageError, match="there is no folder /nope"):
        client.submit("/nope")
    with pytest.raises(UsageError):
        coffeeshop.Client("not a url")


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Running, str]]:
    """A system whose gateway wants a token, and a token."""
    token = new_token()
    file = tmp_path_factory.mktemp("tokens") / "tokens"
    file.write_text(line_of("north", token, admin=False) + "\n")
    with running(access=Access(Tokens(file))) as made:
        yield made, token


def test_token_and_gateway_are_those_of_arguments_environment_and_login_in_this_order(
    guarded: tuple[Running, str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    system, token = guarded

    def sees(*given: str, **how: Any) -> bool:
        with coffeeshop.Client(*given, **how) as client:
            assert client.url == system.url
            try:
                return client.sessions() is not None
            except Forbidden:
                return False

    assert not sees(system.url)
    assert sees(system.url, token=token)
    monkeypatch.setenv("COFFEESHOP_GATEWAY", system.url)
    monkeypatch.setenv("COFFEESHOP_TOKEN", token)
    assert sees()
    assert not sees(token="wrong")
    with coffeeshop.Client("memory:") as here:
        assert here.url is None
    for name in ("COFFEESHOP_GATEWAY", "COFFEESHOP_TOKEN"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    logins.keep(logins.Login(system.url, token))
    assert sees()
    assert sees(system.url)
    with pytest.raises(UsageError, match="certificates"):
        coffeeshop.Client("https://127.0.0.1:1", ca_file=tmp_path / "none")


def test_every_error_on_purpose_that_a_caller_can_meet_is_a_name_of_the_package() -> None:
    for name in coffeeshop.__all__:
        assert getattr(coffeeshop, name) is not None
    kinds = [getattr(coffeeshop, name) for name in coffeeshop.__all__ if hasattr(errors, name)]
    assert all(issubclass(kind, coffeeshop.CoffeeshopError) for kind in kinds)
    assert {"BadData", "Forbidden", "Unreachable"} <= {kind.__name__ for kind in kinds}
    with pytest.raises(AttributeError, match="has no attribute 'Nonsense'"):
        coffeeshop.Nonsense  # noqa: B018


@pytest.mark.parametrize("remote", [False, True])
def test_an_asynchronous_client_does_the_same(
    system: Running, whole: Path, expected: dict[str, str], tmp_path: Path, remote: bool
) -> None:
    async def both() -> tuple[coffeeshop.Results, coffeeshop.Results, list[str], int]:
        async with coffeeshop.AsyncClient(system.url if remote else None) as client:
            session = await client.start(whole)
            events = [event.name async for event in client.watch(session.id)]
            one, two = await asyncio.gather(
                client.submit(whole), client.results(session.id, PATIENCE)
            )
            assert (await client.get(session.id)).id == session.id
            return one, two, events, len(await client.sessions())

    one, two, events, known = asyncio.run(both())
    assert written(one, tmp_path / "one") == written(two, tmp_path / "two") == expected
    assert events[-1] == "completed"
    assert known >= 1


def test_a_task_that_is_cancelled_cancels_its_session(idle: Running, whole: Path) -> None:
    opened = asyncio.Event()
    ids: list[str] = []

    async def leave() -> str:
        loop = asyncio.get_running_loop()

        def told(session_id: str) -> None:
            ids.append(session_id)
            loop.call_soon_threadsafe(opened.set)

        async with coffeeshop.AsyncClient(idle.url) as client:
            task = asyncio.create_task(client.submit(whole, on_open=told))
            await opened.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            return (await client.get(ids[0])).state

    assert asyncio.run(leave()) == "cancelled"


def test_results_show_themselves_as_html_without_trusting_names(folder: Path) -> None:
    stores = folder / "stores" / "stores_0000.csv"
    stores.write_text(stores.read_text().replace("G Coffee @ PJS8", "<script>"))
    with coffeeshop.Client() as client:
        shown = client.submit(folder)._repr_html_()
    assert "&lt;script&gt;" in shown
    assert "<script>" not in shown
    assert "rows more" in shown


def test_bad_data_tells_where(folder: Path) -> None:
    users = folder / "users" / "users_0000.csv"
    users.write_text(users.read_text() + "x,male,1990-01-01,2024-01-01 10:00:00\n")
    with coffeeshop.Client() as client, pytest.raises(BadData, match="column user_id, value 'x'"):
        client.submit(folder)


AS_A_SCRIPT = """
import sys, coffeeshop
with coffeeshop.Client() as client:
    print(len(client.submit(sys.argv[1])))
"""


def test_a_script_finds_on_its_standard_output_what_it_prints_itself_only(whole: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", AS_A_SCRIPT, str(whole)],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert done.stdout == "5\n"
    assert done.stderr == ""
