"""Frames are cut out of what is received, however it arrives."""

from __future__ import annotations

import random
from typing import Any

import pytest
from pika import frame, spec
from pika.exceptions import InvalidFrameError

from coffeeshop.transport.rabbitmq.connection import FRAME_MAX, Connection, _parameters
from coffeeshop.transport.rabbitmq.url import Address

LARGE = 300_000
FRAMES = [
    frame.Method(1, spec.Basic.Ack(3, True)),
    frame.Body(1, b""),
    frame.Body(2, b"x"),
    frame.Heartbeat(),
    frame.Body(65_535, bytes(range(256)) * (LARGE // 256)),
    frame.Header(1, 5, spec.BasicProperties(headers={"kind": "batch"})),
    frame.Body(1, b"\xce" * 5),
    frame.Method(1, spec.Basic.Ack(4, False)),
]


class Receiver(Connection):
    """A connection without a connection, which keeps what it makes of received bytes."""

    is_open = True

    def __init__(self) -> None:
        self.frames: list[Any] = []
        self.bytes_received = 0
        self._pieces = []
        self._held = self._wanted = 0

    def _process_frame(self, value: Any) -> None:
        self.frames.append(value)


@pytest.mark.parametrize("largest", [1, 7, 1000, 1 << 20])
def test_frames_are_the_same_however_they_are_received(largest: int) -> None:
    seed = 5
    print(f"seed {seed}")
    chance = random.Random(seed)
    sent = b"".join(each.marshal() for each in FRAMES[: 4 if largest == 1 else None])
    receiver = Receiver()
    at = 0
    while at < len(sent):
        size = chance.randrange(1, largest + 1)
        receiver._on_data_available(sent[at : at + size])
        at += size
    assert b"".join(each.marshal() for each in receiver.frames) == sent
    assert receiver.bytes_received == len(sent)


def test_a_frame_without_its_end_is_refused() -> None:
    with pytest.raises(InvalidFrameError, match="FRAME_END"):
        Receiver()._on_data_available(frame.Body(1, b"x").marshal()[:-1] + b"\x00")


def test_larger_frames_are_asked_for_than_pika_allows() -> None:
    parameters = _parameters(Address.parse("amqp://guest:guest@localhost/"), "test", None)
    assert parameters.frame_max == FRAME_MAX > spec.FRAME_MAX_SIZE
