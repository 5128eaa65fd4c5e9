"""Batches that were sent are cut again out of the folder when tasks miss them."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator, Sequence
from pathlib import Path
from queue import SimpleQueue

import pyarrow.csv as pc
import pyarrow.parquet as pq
import pytest

from coffeeshop.client.resend import Resender
from coffeeshop.client.upload import upload
from coffeeshop.errors import BadData, CoffeeshopError
from coffeeshop.generate import generate
from coffeeshop.pipeline.plan import PLANS
from coffeeshop.reading.folder import DataFolder, open_folder
from tests.unit.helpers import PATIENCE
from tests.unit.test_upload import Sink

PLAN = PLANS["fused"]
ROWS_A_FILE = 60


@pytest.fixture(params=["csv", "parquet"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> DataFolder:
    """Small files, each of them a block."""
    generate(tmp_path, transactions=600, seed=3)
    for file in sorted(tmp_path.glob("*/*.csv")):
        header, *rows = file.read_bytes().splitlines(keepends=True)
        for start in range(0, len(rows), ROWS_A_FILE):
            piece = file.with_name(f"{file.stem}-{start:04}.csv")
            piece.write_bytes(header + b"".join(rows[start : start + ROWS_A_FILE]))
            if request.param == "parquet":
                pq.write_table(pc.read_csv(piece), piece.with_suffix(".parquet"))
                piece.unlink()
        file.unlink()
    return open_folder(tmp_path)


class Client:
    """Uploads a share of a folder, and answers requests."""

    def __init__(self, folder: DataFolder, share: tuple[int, int] = (0, 1)) -> None:
        self.sink, self.failures = Sink(), SimpleQueue[CoffeeshopError]()
        self.resender = Resender(
            folder,
            self.sink,
            plan=PLAN,
            producer=str(share[0]),
            share=share,
            skip_bad_rows=False,
            on_failure=self.failures.put,
        )
        upload(
            folder,
            self.sink,
            plan=PLAN,
            producer=str(share[0]),
            share=share,
            on_table=self.resender.table_sent,
        )
        self.sent = {(t, p, n): body for t, p, n, body in self.sink.batches}
        self.futures = len(self.sink.futures)
        self.sink.batches.clear()

    def numbers(self, table: str) -> list[int]:
        return [n for t, _, n in self.sent if t == table]

    def misses(self, table: str, producer: str, ranges: Sequence[Sequence[int]], step: int) -> None:
        data = {"table": table, "producer": producer, "ranges": ranges, "step": step, "asked": 0}
        self.resender.hear("missing", data)

    def wait_for(self, batches: int) -> None:
        self.sink.wait_for(self.futures + batches)

    def close(self) -> None:
        self.resender.stop()
        self.resender.join()


@pytest.fixture
def client(folder: DataFolder) -> Iterator[Client]:
    made = Client(folder)
    yield made
    made.close()


def test_what_is_missing_is_sent_again_with_the_same_bytes(client: Client) -> None:
    every = client.numbers("transactions")
    assert len(every) > 5
    wanted = random.Random(1).sample(every, 3)
    client.misses("transactions", "0", [[n, n] for n in wanted], 2)
    client.misses("stores", "0", [[0, 0]], 1)
    client.wait_for(4)
    again = {(t, p, n): body for t, p, n, body in client.sink.batches}
    assert again.keys() == {("transactions", "0", n) for n in wanted} | {("stores", "0", 0)}
    assert all(client.sent[key] == body for key, body in again.items())


def test_of_a_partition_every_second_number_is_sent(client: Client) -> None:
    client.misses("transactions", "0", [[1, 5]], 2)
    client.wait_for(3)
    assert [n for _, _, n, _ in client.sink.batches] == [1, 3, 5]


def test_a_client_of_several_sends_its_own_share_only(folder: DataFolder) -> None:
    client = Client(folder, share=(1, 2))
    last = client.numbers("transactions")[-1]
    client.misses("transactions", "0", [[0, 0]], 1)
    client.misses("transactions", "1", [[last, last]], 1)
    client.wait_for(1)
    client.close()
    assert [each[:3] for each in client.sink.batches] == [("transactions", "1", last)]
    assert client.sent["transactions", "1", last] == client.sink.batches[0][3]


def test_a_file_that_changed_is_not_sent_again(client: Client, folder: DataFolder) -> None:
    file = folder.files["stores"][0]
    os.utime(file, ns=(1, 1))
    client.misses("stores", "0", [[0, 0]], 1)
    failure = client.failures.get(timeout=PATIENCE)
    assert isinstance(failure, BadData)
    assert "changed after it was sent" in str(failure)
    assert file.name in str(failure)
    assert client.sink.batches == []


def test_a_table_that_is_not_sent_yet_and_other_events_are_left_alone(folder: DataFolder) -> None:
    failures = SimpleQueue[CoffeeshopError]()
    sink = Sink()
    resender = Resender(
        folder,
        sink,
        plan=PLAN,
        producer="0",
        share=(0, 1),
        skip_bad_rows=False,
        on_failure=failures.put,
    )
    resender.hear("result", {"query": "query1"})
    resender.hear("missing", {"table": "stores", "producer": "0", "ranges": [[0, 0]], "step": 1})
    resender.stop()
    resender.join()
    assert sink.batches == []
    assert failures.empty()
