"""A folder is sent whole, in the same batches every time, within a window, until told to stop."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from coffeeshop.client import upload as module
from coffeeshop.client.upload import ORDER, WINDOW, Uploaded, upload
from coffeeshop.codec import decode
from coffeeshop.errors import BadData, JournalGone
from coffeeshop.pipeline.plan import PLANS
from coffeeshop.reading.folder import DataFolder, open_folder
from coffeeshop.schema import TABLES
from tests.unit.helpers import PATIENCE, tuples

Batch = tuple[str, str, int, bytes]
FILES = 7
HEADERS = {name: ",".join(c.name for c in table.columns) for name, table in TABLES.items()}
ROWS = {
    "menu_items": "{n},Latte {n}\n",
    "stores": "{n},Store {n}\n",
    "users": "{n},1990-01-01\n",
    "transactions": "t{n},{n},,5.5,2024-01-01 06:00:00\n",
    "transaction_items": "{n},1,5.5,2024-01-01 06:00:00\n",
}


class Sink:
    """Takes everything; confirms at once unless a test holds the confirmations."""

    def __init__(self, *, held: bool = False) -> None:
        self.batches: list[Batch] = []
        self.ends: list[tuple[str, str, int]] = []
        self.futures: list[Future[None]] = []
        self._held = held
        self._changed = threading.Condition()

    def batch(
        self, table: str, producer: str, number: int, body: bytes, digest: str = ""
    ) -> Future[None]:
        self.batches.append((table, producer, number, body))
        return self._future()

    def end(self, table: str, producer: str, count: int, left_out: object = None) -> Future[None]:
        self.ends.append((table, producer, count))
        return self._future()

    def wait_for(self, futures: int) -> None:
        """Wait until so many batches and ends came."""
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.futures) >= futures, PATIENCE)

    def rows(self) -> dict[str, list[tuple[object, ...]]]:
        found: dict[str, list[tuple[object, ...]]] = {name: [] for name in TABLES}
        for table, _, _, body in self.batches:
            schema = PLANS["fused"].late_columns(table).schema_of(TABLES[table].schema)
            found[table] += tuples(decode(body, schema))
        return found

    def _future(self) -> Future[None]:
        future: Future[None] = Future()
        if not self._held:
            future.set_result(None)
        with self._changed:
            self.futures.append(future)
            self._changed.notify_all()
        return future


@pytest.fixture
def folder(tmp_path: Path) -> DataFolder:
    """Each table in seven files of one to seven rows."""
    for name in TABLES:
        (tmp_path / name).mkdir()
        for number in range(FILES):
            rows = (ROWS[name].format(n=10 * number + row) for row in range(number + 1))
            file = tmp_path / name / f"{number}.csv"
            file.write_text(f"{HEADERS[name]}\n" + "".join(rows))
    return open_folder(tmp_path)


ALL = FILES * (FILES + 1) // 2


def test_every_row_of_every_table_is_sent_once(folder: DataFolder) -> None:
    sink = Sink()
    sent = upload(folder, sink)
    ids = sorted(10 * number + row for number in range(FILES) for row in range(number + 1))
    rows = sink.rows()
    assert [row[0] for row in rows["stores"]] == ids
    assert sorted(row[1] for row in rows["transactions"]) == ids
    assert sent.rows == {name: len(found) for name, found in rows.items()}
    assert set(sent.rows.values()) == {ALL}
    assert sent.rejected == []


def test_the_batches_of_a_table_are_numbered_and_then_ended(folder: DataFolder) -> None:
    sink = Sink()
    sent = upload(folder, sink, producer="7")
    for name in TABLES:
        numbers = [number for table, _, number, _ in sink.batches if table == name]
        assert numbers == list(range(sent.batches[name])) == list(range(FILES))
    assert sink.ends == [(name, "7", FILES) for name in ORDER]
    assert {producer for _, producer, _, _ in sink.batches} == {"7"}


def test_a_client_that_starts_over_gives_the_same_ids_to_the_same_bytes(
    folder: DataFolder,
) -> None:
    first, second = Sink(), Sink()
    upload(folder, first)
    upload(open_folder(folder.path), second)
    assert first.batches == second.batches
    assert first.ends == second.ends


@pytest.mark.parametrize("producers", [1, 2, 3, 10])
def test_shares_are_the_whole_without_overlap(folder: DataFolder, producers: int) -> None:
    whole = Sink()
    upload(folder, whole)
    shares = [Sink() for _ in range(producers)]
    for number, sink in enumerate(shares):
        sent = upload(folder, sink, producer=str(number), share=(number, producers))
        assert sink.ends == [(name, str(number), sent.batches[name]) for name in ORDER]
    for name in TABLES:
        bodies = [body for table, _, _, body in whole.batches if table == name]
        for number, sink in enumerate(shares):
            mine = [batch for batch in sink.batches if batch[0] == name]
            assert [batch[3] for batch in mine] == bodies[number::producers]
            assert [batch[2] for batch in mine] == list(range(len(mine)))


def test_a_header_alone_is_a_table_of_no_batches(folder: DataFolder) -> None:
    for file in folder.files["users"]:
        file.write_text(HEADERS["users"])
    sink = Sink()
    assert upload(folder, sink).batches["users"] == 0
    assert ("users", "0", 0) in sink.ends


def test_a_parquet_file_is_sent_like_any_other(folder: DataFolder) -> None:
    for file in folder.files["stores"][1:]:
        file.unlink()
    columns = {"store_id": pa.array([100, 101]), "store_name": pa.array(["A", None])}
    pq.write_table(pa.table(columns), folder.path / "stores" / "more.parquet")
    sink = Sink()
    assert upload(open_folder(folder.path), sink).batches["stores"] == 2
    assert sink.rows()["stores"] == [(0, "Store 0"), (100, "A"), (101, None)]


def test_progress_is_told_for_every_batch(folder: DataFolder) -> None:
    told: list[tuple[str, int, int]] = []
    sent = upload(folder, Sink(), on_progress=lambda *progress: told.append(progress))
    assert [name for name, _, _ in told] == [name for name in ORDER for _ in range(FILES)]
    for name in TABLES:
        assert sum(rows for table, rows, _ in told if table == name) == sent.rows[name]
        size = sum(size for table, _, size in told if table == name)
        assert size == folder.size(name) - FILES * len(f"{HEADERS[name]}\n")


def test_bad_rows_are_left_out_in_order_when_told_so(folder: DataFolder) -> None:
    for file in folder.files["stores"][2:5]:
        file.write_text(file.read_text() + f"bad,{file.stem}\n")
    sink = Sink()
    sent = upload(folder, sink, skip_bad_rows=True)
    assert sent.rows["stores"] == ALL == len(sink.rows()["stores"])
    assert [rejected.row for rejected in sent.rejected] == ["bad,2", "bad,3", "bad,4"]


def test_a_bad_row_ends_the_upload_and_its_table_is_never_ended(folder: DataFolder) -> None:
    file = folder.files["users"][3]
    file.write_text(file.read_text() + "bad,1990-01-01\n")
    sink = Sink()
    with pytest.raises(BadData) as caught:
        upload(folder, sink)
    assert caught.value.file == str(file)
    assert [table for table, _, _ in sink.ends] == ["menu_items", "stores"]
    assert "transactions" not in {table for table, _, _, _ in sink.batches}


@pytest.mark.parametrize("size", [40, 80, 1 << 20])
def test_of_two_errors_in_a_file_the_first_is_told_however_it_is_cut(
    folder: DataFolder, size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "blocks_of", partial(module.blocks_of, size=size))
    (folder.path / "stores" / "0.csv").write_text(f"{HEADERS['stores']}\n1,a\nx,b\n" + '2,"c\n' * 3)
    with pytest.raises(BadData) as caught:
        upload(open_folder(folder.path), Sink())
    assert (caught.value.line, caught.value.column) == (3, "store_id")


def asked(times: int) -> Callable[[], bool]:
    """A ``stop`` that says yes after so many times."""
    left = iter(range(times))
    return lambda: next(left, None) is None


@pytest.mark.parametrize("times", [0, 1, FILES, FILES + 2])
def test_a_stop_is_heard_between_batches(folder: DataFolder, times: int) -> None:
    sink = Sink()
    sent = upload(folder, sink, stop=asked(times))
    assert len(sink.batches) == times == sum(sent.batches.values()) + times % FILES
    assert len(sink.ends) == times // FILES


def test_no_more_than_a_window_is_unconfirmed(folder: DataFolder) -> None:
    sink = Sink(held=True)
    everything = len(TABLES) * (FILES + 1)
    with ThreadPoolExecutor(1) as pool:
        uploading = pool.submit(upload, folder, sink)
        try:
            for confirmed in range(everything - WINDOW - 1):
                sink.wait_for(confirmed + WINDOW + 1)
                # One more for the end of a table, which is sent behind its last batch.
                assert len(sink.futures) <= confirmed + WINDOW + 2
                sink.futures[confirmed].set_result(None)
            sink.wait_for(everything)
            assert not uploading.done()
        finally:
            threading.Thread(target=confirm_all, args=(sink, uploading)).start()
        assert set(uploading.result(PATIENCE).batches.values()) == {FILES}


def confirm_all(sink: Sink, uploading: Future[Uploaded]) -> None:
    """Confirm what is left, in any order, so that nothing waits for ever."""
    chance = random.Random(1)
    while not uploading.done():
        left = [future for future in list(sink.futures) if not future.done()]
        if left:
            chance.choice(left).set_result(None)


@pytest.mark.parametrize("place", [0, FILES, 3 * FILES])
def test_a_batch_that_cannot_be_confirmed_ends_the_upload(folder: DataFolder, place: int) -> None:
    class Ending(Sink):
        def _future(self) -> Future[None]:
            future = super()._future()
            if len(self.futures) > place:
                future = Future()
                future.set_exception(JournalGone("the session has ended"))
            return future

    with pytest.raises(JournalGone):
        upload(folder, Ending())
