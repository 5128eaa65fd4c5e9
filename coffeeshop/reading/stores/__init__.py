"""Data folders that are elsewhere: object stores, and listings of web servers.

Nothing of this is imported for a folder on this machine.
"""

from __future__ import annotations

from collections.abc import Collection
from urllib.parse import urlsplit

from coffeeshop.errors import UsageError
from coffeeshop.reading.folder import DataFolder, sorted_out
from coffeeshop.reading.layout import Entry, layout_of
from coffeeshop.reading.stores.base import Store, StoredFile
from coffeeshop.schema import TABLES
from coffeeshop.suggestions import did_you_mean

WEB = ("http", "https")
CLOUD = ("s3", "gs", "gcs", "abfs", "abfss")


def open_address(address: str, wanted: Collection[str] = tuple(TABLES)) -> DataFolder:
    """The files of the ``wanted`` tables below an address, as `folder.open_folder` gives them.

    Raises `UsageError` for an address where no folder is, `Forbidden`, `Unreachable`, and
    `BadData` as `folder.open_folder` does.
    """
    store = _store_at(address)
    listed = store.listed()
    # A file of which no size is told is taken for one that has something in it.
    entries = [Entry(path, 1 if v.size is None else v.size) for path, v in listed.items()]
    layout = layout_of(entries, wanted)
    return sorted_out(store.place, layout, lambda path: StoredFile(store, path, listed[path]))


def _store_at(address: str) -> Store:
    scheme = urlsplit(address).scheme.lower()
    if scheme in WEB:
        from coffeeshop.reading.stores.web import WebStore

        return WebStore(address)
    if scheme in CLOUD:
        from coffeeshop.reading.stores.cloud import cloud_store

        return cloud_store(address)
    known = [*CLOUD, *WEB]
    meant = did_you_mean(scheme, known) or f"; there are {', '.join(f'{k}://' for k in known)}"
    raise UsageError(f"{address}: data is not read from {scheme}://{meant}")
