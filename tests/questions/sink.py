"""Where a client's batches go in these tests."""

from __future__ import annotations

from concurrent.futures import Future

from coffeeshop.pipeline.messages import Record


class Kept:
    """Keeps what is sent as records."""

    def __init__(self) -> None:
        self.records: list[Record] = []

    def batch(self, table: str, producer: str, number: int, body: bytes) -> Future[None]:
        return self._keep(Record("batch", table, producer, number, body))

    def end(self, table: str, producer: str, count: int, left_out: object = None) -> Future[None]:
        return self._keep(Record("eof", table, producer, count))

    def _keep(self, record: Record) -> Future[None]:
        self.records.append(record)
        done: Future[None] = Future()
        done.set_result(None)
        return done
