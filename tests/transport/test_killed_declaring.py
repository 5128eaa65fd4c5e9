"""A broker killed again and again at the moment when it makes streams (`make long`)."""

from __future__ import annotations

import random
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing

import pytest

from coffeeshop.errors import JournalBroken
from coffeeshop.testing.broker import PrivateBroker
from coffeeshop.transport import Message, Outcome
from coffeeshop.transport.rabbitmq.transport import RabbitTransport

KILLS = 25
STREAMS = 16
PATIENCE = 120.0
SEED = 20


class Declared:
    """Names that are being declared, and when so many of them have been."""

    def __init__(self, transport: RabbitTransport, pool: ThreadPoolExecutor, wanted: int) -> None:
        self._transport = transport
        self._pool = pool
        self._enough = threading.Semaphore(0)
        self._wanted = wanted

    def start(self, names: list[str]) -> dict[str, Future[bool]]:
        return {name: self._pool.submit(self._declare, name) for name in names}

    def wait(self) -> None:
        for _ in range(self._wanted):
            assert self._enough.acquire(timeout=PATIENCE)

    def _declare(self, name: str) -> bool:
        try:
            self._transport.declare_journal(name)
        except JournalBroken:
            return False
        self._enough.release()
        return True


def stores(transport: RabbitTransport, name: str) -> bool:
    """Whether an append is confirmed and can be read."""
    outcome: Future[Outcome] = Future()
    transport.append(name, Message({"n": 1}, b"x"), outcome.set_result)
    if outcome.result(PATIENCE) is not Outcome.CONFIRMED:
        return False
    read = threading.Event()
    reader = transport.read(name, 0, 1, lambda _delivery: read.set(), lambda: None)
    try:
        return read.wait(PATIENCE)
    finally:
        reader.close()


@pytest.mark.long
def test_whatever_was_declared_stores(broker: PrivateBroker) -> None:
    """Each kill comes when some of the declarations were answered and others were not."""
    print(f"seed {SEED}")
    rng = random.Random(SEED)
    broken = 0
    with (
        PrivateBroker() as private,
        closing(RabbitTransport(private.url, call_timeout=PATIENCE)) as transport,
        ThreadPoolExecutor(STREAMS) as pool,
    ):
        transport.declare_journal("first")
        for kill in range(KILLS):
            declared = Declared(transport, pool, rng.randrange(STREAMS - 1))
            declarations = declared.start([f"{kill}.{n}" for n in range(STREAMS)])
            declared.wait()
            private.kill()
            private.start()
            results = {name: call.result(PATIENCE) for name, call in declarations.items()}
            believed = [name for name, result in results.items() if result]
            broken += len(results) - len(believed)
            stored = pool.map(lambda name: stores(transport, name), believed)
            assert {n for n, good in zip(believed, stored, strict=True) if not good} == set()
            for name in believed:
                transport.delete_journal(name)
    print(f"{KILLS} kills, {KILLS * STREAMS} declarations, {broken} names without a stream")
