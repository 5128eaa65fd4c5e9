"""What a store is, and a file in one."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import IO, Any, Literal, Protocol, TypeVar
from urllib.parse import urlsplit, urlunsplit

from coffeeshop.errors import BadData, CoffeeshopError, Unreachable, UsageError
from coffeeshop.reading.file import Place
from coffeeshop.reading.sized import SizedFile

PATIENCE = 30.0
"""Seconds in which a read that gets no answer is repeated."""
_FIRST_PAUSE = 0.2
_LONGEST_PAUSE = 4.0
BUFFER = 1 << 20
T = TypeVar("T")


@dataclass(frozen=True)
class Version:
    """What tells a file from the one that takes its place."""

    size: int | None
    """Bytes; None where the store does not tell."""
    mark: str = ""
    """When it was changed, or the store's own mark of its content; empty where nothing is told."""


class Store(Protocol):
    """Files below a place. Threads may read at the same time, each a file that it opened."""

    place: Place

    def listed(self) -> dict[str, Version]:
        """What is there, by path below the place.

        Raises `UsageError` when nothing is, `Forbidden`, `Unreachable`.
        """
        ...

    def is_still(self, path: str, listed: Version) -> bool:
        """Whether what is there now is the ``listed`` one, and the one that was opened."""
        ...

    def open(self, path: str, listed: Version) -> IO[bytes]:
        """The file's bytes; raises `BadData` when it is not the ``listed`` one any more.

        Reads that get no answer are repeated; they raise `Unreachable` in the end.
        """
        ...


@dataclass(frozen=True)
class StoredFile:
    """A file of a store: what a `Path` is to a file on this machine."""

    store: Store
    path: str
    listed: Version
    """As it was found."""

    @property
    def name(self) -> str:
        """The last part of its path."""
        return self.path.rpartition("/")[2]

    @property
    def parts(self) -> tuple[str, ...]:
        """The folders that it is in, and its name."""
        return tuple(self.path.split("/"))

    def __str__(self) -> str:
        return f"{self.store.place}/{self.path}"

    def open(self, mode: Literal["rb"] = "rb", /) -> IO[bytes]:
        """Its bytes."""
        return self.store.open(self.path, self.listed)

    def verify(self) -> None:
        """Raise `BadData` when it is not what was listed and read any more."""
        if not self.store.is_still(self.path, self.listed):
            raise changed(str(self))


def changed(file: str) -> BadData:
    """What to raise for a file that was replaced."""
    return BadData("changed while it was read: start again when it stays as it is", file=file)


def checked_address(address: str) -> str:
    """The address without a slash at the end.

    Raises `UsageError` when a password is in it: addresses are shown in lists and written to logs.
    """
    parts = urlsplit(address)
    if parts.password is not None or (parts.username and parts.scheme.startswith(("s3", "http"))):
        bare = urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], *parts[2:]))
        raise UsageError(f"credentials do not belong into an address: use {bare}, and {USUAL}")
    return address


USUAL = "the usual variables or files of that store for them"


class Retrying(SizedFile):
    """Bytes that are read by place, each read repeated until it is answered or it is too late."""

    def __init__(
        self,
        size: int,
        read: Callable[[int, int], bytes],
        failure: Callable[[OSError], CoffeeshopError],
        close: Callable[[], Any] = lambda: None,
    ) -> None:
        """``read`` gets an offset and a size; ``failure`` says what an `OSError` of it means: only
        what is `Unreachable` is tried again."""
        super().__init__(size)
        self._read = read
        self._failure = failure
        self._close = close

    def readinto(self, buffer: Any) -> int:
        """Fill the buffer as far as the file goes; 0 at the end."""
        wanted = self._wanted(buffer)
        if wanted <= 0:
            return 0
        data = retried(lambda: self._read(self._at, wanted), self._failure)
        buffer[: len(data)] = data
        self._at += len(data)
        return len(data)

    def close(self) -> None:
        """Close what is read."""
        if not self.closed:
            self._close()
        super().close()


def retried(work: Callable[[], T], failure: Callable[[OSError], CoffeeshopError]) -> T:
    """What ``work`` gives; after an `OSError` that means `Unreachable`, again, for `PATIENCE`."""
    end = time.monotonic() + PATIENCE
    pause = _FIRST_PAUSE
    while True:
        try:
            return work()
        except OSError as error:
            meant = failure(error)
            if not isinstance(meant, Unreachable) or time.monotonic() + pause > end:
                raise meant from error
        time.sleep(pause * random.uniform(0.5, 1.0))  # so that many clients do not come at once
        pause = min(2 * pause, _LONGEST_PAUSE)
