"""What a file's name says: its table, how it is written and packed, or that it is no data.

Names are compared without regard to capitals. Nothing here looks into a file.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum

from coffeeshop.reading.file import File
from coffeeshop.schema import CATALOG


class Form(Enum):
    """How a file's rows are written."""

    TEXT = "text"
    PARQUET = "parquet"
    EITHER = "either"
    """A part without a suffix, as Spark writes: its first bytes tell."""


class Packing(Enum):
    """How a file is compressed."""

    NONE = ""
    GZIP = "gzip"
    BZIP2 = "bzip2"
    XZ = "xz"
    ZSTD = "zstd"
    LZ4 = "lz4"


@dataclass(frozen=True)
class FileName:
    """A name taken apart. ``stem`` is what is left without suffixes, in small letters."""

    stem: str
    form: Form | None = None
    """None when the file is not read."""
    packing: Packing = Packing.NONE
    refusal: str = ""
    """Why a file that holds data is not read; empty when there is nothing to say of it."""


TEXT = (".csv", ".tsv", ".tab", ".psv", ".txt")
PARQUET = (".parquet", ".parq", ".pq")
PACKED = {
    ".gz": Packing.GZIP,
    ".gzip": Packing.GZIP,
    ".bz2": Packing.BZIP2,
    ".xz": Packing.XZ,
    ".zst": Packing.ZSTD,
    ".zstd": Packing.ZSTD,
    ".lz4": Packing.LZ4,
}
_UNPACK = "is packed as {}, which is not read: unpack it, or pack it as .gz"
_CONVERT = "is a file of {}, which is not read: save it as CSV or Parquet"
_ARCHIVES = {
    ".zip": "a zip archive",
    ".tar": "a tar archive",
    ".tgz": "a tar archive",
    ".tbz2": "a tar archive",
    ".txz": "a tar archive",
    ".7z": "a 7z archive",
    ".rar": "a rar archive",
    ".z": "compress (.Z)",
    ".br": "brotli",
    ".lzma": "lzma",
    ".lzo": "lzo",
    ".lz": "lzip",
    ".snappy": "snappy",
    ".sz": "snappy",
    ".deflate": "deflate",
}
_FORMATS = {
    **dict.fromkeys((".xlsx", ".xls", ".xlsm", ".xlsb"), "Excel"),
    ".ods": "a spreadsheet",
    ".numbers": "a spreadsheet",
    **dict.fromkeys((".json", ".jsonl", ".ndjson"), "JSON"),
    ".xml": "XML",
    **dict.fromkeys((".orc", ".avro", ".arrow", ".feather", ".ipc"), "another columnar format"),
    **dict.fromkeys((".sql", ".dump"), "SQL"),
    **dict.fromkeys((".db", ".sqlite", ".sqlite3", ".duckdb", ".mdb", ".accdb"), "a database"),
    **dict.fromkeys((".dta", ".sav", ".sas7bdat", ".rds", ".dbf"), "a statistics program"),
    **dict.fromkeys((".pkl", ".pickle", ".h5", ".hdf5", ".npy", ".npz"), "a program's objects"),
}
_NO_DATA = frozenset(
    (
        *("thumbs.db", "ehthumbs.db", "desktop.ini", "$recycle.bin", "system volume information"),
        *("__macosx", "lost+found", "icon\r", "_success", "_metadata", "_common_metadata"),
    )
)
_COMMITS = re.compile(r"_(?:started|committed)_\d+")
_DOCUMENT = re.compile(r"(?:readme|licen[sc]e|notice|changelog|about|copying)[^.]*(?:\.txt)?")
_PART = re.compile(r"part-.*|\d{6}_\d+(?:_copy_\d+)?")  # as Spark and Hive name them
_COPY = re.compile(r"(?:copy of |copia de )(?P<a>.+)|(?P<b>.+?)(?: ?\(\d+\)| ?-? ?(?:copy|copia))")
_CODEC = re.compile(r"\.(?:c000|snappy|gz|gzip|zstd|lz4|lz4raw|brotli)$")
LOGGED = {
    "_delta_log": "Delta Lake",
    ".hoodie": "Hudi",
    "_spark_metadata": "Spark's streaming",
    "metadata.json": "Iceberg",
}
"""What marks a table whose own log says which of its files count."""
_BY_LENGTH = sorted(CATALOG, key=len, reverse=True)
_MONTHS = "jan|ene|feb|mar|apr|abr|may|jun|jul|aug|ago|sep|set|oct|nov|dec|dic"
_TOKEN = re.compile(
    rf"\d{{1,8}}|of|part\d*|chunk\d*|p\d+|q[1-4]|[hs][12]|y\d{{4}}|(?:{_MONTHS})[a-z]*"
)


def is_no_data(name: str) -> bool:
    """Whether a file or folder of that name is there for the system or a program only.

    Hidden ones, locks of office programs, the marks of Spark's and Hive's jobs.
    """
    small = name.lower()
    return (
        small.startswith((".", "~$"))
        or small in _NO_DATA
        or small.endswith(".crc")
        or _COMMITS.fullmatch(small) is not None
    )


def log_of(name: str) -> str:
    """Whose log a file or folder of that name is; empty when it is none."""
    small = name.lower()
    return LOGGED.get("metadata.json" if small.endswith(".metadata.json") else small, "")


def file_name(name: str) -> FileName:
    """The name taken apart."""
    small = name.lower()
    if _DOCUMENT.fullmatch(small) or small.startswith("_"):
        return FileName(small)
    bare, packing = _unpacked(small)
    stem, suffix = _split(bare)
    if suffix in _ARCHIVES:
        return FileName(stem, refusal=_UNPACK.format(_ARCHIVES[suffix]))
    if suffix in PARQUET:
        refusal = "is a Parquet file packed once more: unpack it" if packing.value else ""
        form = None if refusal else Form.PARQUET
        return FileName(_CODEC.sub("", stem), form, packing, refusal)
    if suffix in TEXT:
        return FileName(stem, Form.TEXT, packing)
    if suffix in _FORMATS:
        return FileName(stem, refusal=_CONVERT.format(_FORMATS[suffix]))
    if packing is not Packing.NONE:
        return FileName(bare, Form.TEXT, packing)
    if _PART.fullmatch(bare) or bare in CATALOG:
        return FileName(bare, Form.EITHER)
    return FileName(stem)


def _unpacked(name: str) -> tuple[str, Packing]:
    stem, suffix = _split(name)
    return (stem, PACKED[suffix]) if suffix in PACKED else (name, Packing.NONE)


def _split(name: str) -> tuple[str, str]:
    stem, dot, suffix = name.rpartition(".")
    return (stem, dot + suffix) if stem else (name, "")


def table_of(stem: str) -> tuple[str, bool] | None:
    """The table that a file's stem or a folder names, and whether it is one of several parts.

    ``transactions`` is the table, ``transactions_202401`` and ``transactions-part-2`` are parts of
    it; None for every other name, ``transactions_old`` too.
    """
    small = stem.lower()
    for table in _BY_LENGTH:
        if small == table:
            return table, False
        rest = small.removeprefix(table)
        if rest != small and rest[0] in "_-. " and _all_tokens(rest):
            return table, True
    return None


def _all_tokens(text: str) -> bool:
    tokens = [token for token in re.split(r"[_\-. ]+", text) if token]
    return bool(tokens) and all(_TOKEN.fullmatch(token) for token in tokens)


def folder_stem(name: str) -> str:
    """A folder's name without the suffix that Spark is told to give it: ``users.csv/part-0``."""
    found = file_name(name)
    return found.stem if found.form in (Form.TEXT, Form.PARQUET) else name.lower()


def copied_from(stem: str) -> str:
    """The stem that a copy has in its name, as ``sales (1)`` has ``sales``; empty for no copy."""
    found = _COPY.fullmatch(stem)
    return "" if found is None else (found["a"] or found["b"])


def partition_of(file: File, column: str) -> str:
    """What to say of a column that is missing in a file and is in the name of a folder above it."""
    for part in file.parts[:-1]:
        name, is_partition, _ = part.partition("=")
        if is_partition and name.lower() == column:
            return f" (it is in the name of the folder {part}: write it into the files too)"
    return ""
