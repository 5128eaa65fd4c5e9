"""The web page's files, read once and kept in memory: what is not among them does not exist."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable

MEDIA_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".md": "text/markdown; charset=utf-8",
}
INDEX = "index.html"


@dataclass(frozen=True)
class Page:
    """One file as it is served. ``etag`` is quoted, as in the header."""

    body: bytes
    media_type: str
    etag: str


@cache
def pages() -> dict[str, Page]:
    """Every file by its path below ``static``."""
    return dict(_below(files("coffeeshop.gateway") / "static", ""))


def _below(folder: Traversable, path: str) -> Iterator[tuple[str, Page]]:
    for entry in folder.iterdir():
        if entry.is_dir():
            yield from _below(entry, f"{path}{entry.name}/")
        else:
            yield f"{path}{entry.name}", _page(entry)


def _page(file: Traversable) -> Page:
    body = file.read_bytes()
    suffix = file.name[file.name.rfind(".") :]
    digest = hashlib.sha256(body).hexdigest()[:32]
    return Page(body, MEDIA_TYPES.get(suffix, "application/octet-stream"), f'"{digest}"')
