"""What is read: a file on this machine, or one that is elsewhere."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import IO, Literal, Protocol

_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")


class File(Protocol):
    """A `Path`, or what stands for one; its text is what people are told of it."""

    @property
    def name(self) -> str:
        """The last part of its path."""
        ...

    @property
    def parts(self) -> Sequence[str]:
        """The folders that it is in, and its name."""
        ...

    def open(self, mode: Literal["rb"], /) -> IO[bytes]:
        """Its bytes; raises `OSError`, or an error of ours that says what is wrong."""
        ...


@dataclass(frozen=True)
class Place:
    """Where a folder is, that is elsewhere, without what is secret in its address."""

    text: str
    """Without a slash at the end."""

    @property
    def name(self) -> str:
        """The last part of it: what a session of that folder is called."""
        return self.text.rpartition("/")[2] or self.text

    def __str__(self) -> str:
        return self.text


def is_address(folder: str) -> bool:
    """Whether it is the address of a folder that is elsewhere: ``s3://...``."""
    return _ADDRESS.match(folder) is not None


def place_at(address: str) -> Place:
    """The place of an address: without its options, which may be secret."""
    return Place(address.partition("?")[0].rstrip("/"))
