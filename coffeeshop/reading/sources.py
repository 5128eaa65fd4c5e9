"""A file's bytes as text in UTF-8: decompressed, and decoded when it is UTF-16 with a mark."""

from __future__ import annotations

import bz2
import codecs
import gzip
import io
import lzma
import shutil
import tempfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, cast

import pyarrow as pa

from coffeeshop.errors import BadData
from coffeeshop.reading.file import File
from coffeeshop.reading.names import Form, Packing, file_name

_READ = 1 << 16
_COPIED = 1 << 20
_UTF_16 = {codecs.BOM_UTF16_LE: "utf-16-le", codecs.BOM_UTF16_BE: "utf-16-be"}
_UTF_32 = (codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)
_BROKEN = (EOFError, zlib.error, gzip.BadGzipFile, lzma.LZMAError)
PARQUET = b"PAR1"
_SIGNATURES = {
    PARQUET: "Parquet: name it .parquet",
    b"\x1f\x8b": "gzip data: name it .csv.gz",
    b"BZh": "bzip2 data: name it .csv.bz2",
    b"\xfd7zXZ\x00": "xz data: name it .csv.xz",
    b"\x28\xb5\x2f\xfd": "zstd data: name it .csv.zst",
    b"\x04\x22\x4d\x18": "lz4 data: name it .csv.lz4",
    b"PK\x03\x04": "a zip archive or a spreadsheet: save it as CSV",
    b"\xd0\xcf\x11\xe0": "a spreadsheet: save it as CSV",
    b"ORC": "ORC: save it as Parquet",
    b"Obj\x01": "Avro: save it as Parquet",
    b"ARROW1": "Arrow: save it as Parquet",
}


class Unseekable(io.RawIOBase):
    """A stream that is only read forward, made of a function that gives at most so many bytes."""

    def __init__(self, read: Callable[[int], bytes], close: Callable[[], Any] = lambda: None):
        super().__init__()
        self._read = read
        self._close = close

    def readable(self) -> bool:
        """True."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill the buffer, or a part of it; 0 at the end."""
        data = self._read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        """Close what is read."""
        if not self.closed:
            self._close()
        super().close()


def open_text(file: File) -> IO[bytes]:
    """The file's text in UTF-8. It can be sought when the file has it as it is.

    Raises `BadData` when it cannot be opened.
    """
    try:
        raw = file.open("rb")
    except OSError as error:
        raise BadData(f"cannot be read: {error.strerror}", file=str(file)) from error
    try:
        return text_of(raw, str(file))
    except BadData:
        raw.close()
        raise


def text_of(raw: IO[bytes], name: str) -> IO[bytes]:
    """The text of a stream in UTF-8; the name says how it is packed."""
    with broken_as_bad_data(name):
        stream = unpacked(raw, file_name(Path(name).name).packing)
        first = _peek(stream)
        if first.startswith(_UTF_32):
            raise BadData("is UTF-32 text: save it as UTF-8", file=name, line=1)
        encoding = next((e for mark, e in _UTF_16.items() if first.startswith(mark)), None)
        return stream if encoding is None else _decoded(stream, encoding)


def is_utf_16(first: bytes) -> bool:
    """Whether a text that begins so is UTF-16 with a mark."""
    return first[:2] in _UTF_16


def unpacked(raw: IO[bytes], packing: Packing) -> IO[bytes]:
    """The stream decompressed; all members of a file that has several."""
    match packing:
        case Packing.NONE:
            return raw
        case Packing.GZIP:
            inner: Any = gzip.GzipFile(fileobj=raw)
        case Packing.BZIP2:
            inner = bz2.BZ2File(raw)
        case Packing.XZ:
            inner = lzma.LZMAFile(raw)  # noqa: SIM115 - closed with what is given
        case Packing.ZSTD | Packing.LZ4:
            inner = pa.CompressedInputStream(raw, packing.value)
    # Buffered, a read gives all that was asked for unless the file ends.
    return _buffered(Unseekable(inner.read, lambda: (inner.close(), raw.close())))


def sought(stream: IO[bytes]) -> IO[bytes]:
    """The same bytes to be read in any order: a copy on disk of what is only read forward."""
    if stream.seekable():
        return stream
    copy = tempfile.TemporaryFile(prefix="coffeeshop-")  # noqa: SIM115 - closed by who reads it
    with stream:
        shutil.copyfileobj(stream, copy, _COPIED)
    copy.seek(0)
    return copy


def is_parquet(file: File) -> bool:
    """Whether it is a Parquet file: by its name, or by its first bytes where the name says nothing.

    Raises `BadData` when it cannot be opened.
    """
    form = file_name(file.name).form
    if form is not Form.EITHER:
        return form is Form.PARQUET
    with open_text(file) as stream:
        return _peek(stream) == PARQUET


@contextmanager
def broken_as_bad_data(name: str) -> Iterator[None]:
    """Raise what a damaged file leads to as `BadData` that names it."""
    packing = file_name(Path(name).name).packing.value
    try:
        yield
    except UnicodeDecodeError as error:
        raise BadData(f"not UTF-16 text: {error.reason}", file=name) from error
    except _BROKEN as error:
        raise BadData(f"damaged {packing} file: {error}", file=name) from error
    except OSError as error:
        if packing and error.errno is None:  # of a library, not of the disk
            raise BadData(f"damaged {packing} file: {error}", file=name) from error
        raise BadData(f"cannot be read: {error.strerror or error}", file=name) from error


def other_content(head: bytes) -> str:
    """What a file holds instead of text by its first bytes, and what to do; empty when unknown."""
    found = (what for mark, what in _SIGNATURES.items() if head.startswith(mark))
    return next(found, "")


def _peek(stream: IO[bytes]) -> bytes:
    """The first bytes, which are not taken."""
    if stream.seekable():
        first = stream.read(4)
        stream.seek(0)
        return first
    return cast(io.BufferedReader, stream).peek(4)[:4]


def _decoded(stream: IO[bytes], encoding: str) -> IO[bytes]:
    decoder = codecs.getincrementaldecoder(encoding)()
    stream.read(2)
    held = b""

    def read(size: int) -> bytes:
        nonlocal held
        while not held:
            data = stream.read(_READ)
            held = decoder.decode(data, final=not data).encode()
            if not data:
                break
        given, held = held[:size], held[size:]
        return given

    return _buffered(Unseekable(read, stream.close))


def _buffered(stream: io.RawIOBase) -> IO[bytes]:
    return io.BufferedReader(stream)
