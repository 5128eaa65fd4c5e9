"""The example data set: a folder under the data root, generated when it is first wanted."""

from __future__ import annotations

import os
import tempfile
import threading
from pathlib import Path

from coffeeshop.reading.folder import open_folder

NAME = "example"
TRANSACTIONS = 20_000
SEED = 1


class ExampleData:
    """The folder ``example`` under a data root. Thread-safe; nothing is done before `files`."""

    def __init__(self, data_root: Path) -> None:
        self._root = data_root
        self._lock = threading.Lock()
        self._temporary: tempfile.TemporaryDirectory[str] | None = None

    def files(self) -> dict[str, Path]:
        """Its files by their paths inside the folder; takes a second when it is not there yet.

        A folder that is there is left as it is. Where the data root cannot be written, the data set
        is in a temporary folder that goes away at `close`. Raises `BadData` for a folder of
        that name that is no data folder.
        """
        with self._lock:
            folder = self._root / NAME
            if not folder.is_dir():
                folder = self._generated(folder)
            found = open_folder(folder)
        return {
            file.relative_to(folder).as_posix(): file
            for files in found.files.values()
            for file in files
            if isinstance(file, Path)
        }

    def close(self) -> None:
        """Remove what is temporary."""
        with self._lock:
            if self._temporary is not None:
                self._temporary.cleanup()

    def _generated(self, folder: Path) -> Path:
        if self._temporary is not None:
            return Path(self._temporary.name) / NAME
        try:
            _generate(folder)
        except OSError:
            self._temporary = tempfile.TemporaryDirectory(prefix="coffeeshop-")
            folder = Path(self._temporary.name) / NAME
            _generate(folder)
        return folder


def _generate(folder: Path) -> None:
    from coffeeshop.generate import generate  # numpy: only who wants the data waits for it

    folder.parent.mkdir(parents=True, exist_ok=True)
    # Beside its place first: a folder of that name is always whole.
    with tempfile.TemporaryDirectory(prefix=".example-", dir=folder.parent) as work:
        generate(Path(work) / NAME, transactions=TRANSACTIONS, seed=SEED, layout="flat")
        os.replace(Path(work) / NAME, folder)
