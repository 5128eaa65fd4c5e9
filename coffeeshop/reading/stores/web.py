"""Folders on web servers: a page that lists files, as servers make them, or a text of addresses."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from html.parser import HTMLParser
from os.path import commonpath
from typing import IO, Any
from urllib.parse import unquote, urljoin, urlsplit, urlunsplit

import httpx2 as httpx

from coffeeshop.errors import BadData, CoffeeshopError, Forbidden, Unreachable, UsageError
from coffeeshop.reading.file import place_at
from coffeeshop.reading.names import folder_stem, is_no_data, log_of, table_of
from coffeeshop.reading.stores.base import (
    BUFFER,
    Retrying,
    Version,
    changed,
    checked_address,
    retried,
)

TIMEOUTS = httpx.Timeout(30.0, connect=5.0)
MOST_PAGES = 1000
MOST_FILES = 100_000
LARGEST_LIST = 32 << 20
"""Bytes of a page or of a text of addresses."""
LOOKS = 8
"""Files whose sizes are asked for at a time."""
_PIECE = 1 << 18
_GONE = (404, 410)
_DENIED = (401, 403, 407)
_LATER = (408, 429, 500, 502, 503, 504)


class WebStore:
    """Files that a page or a text names. What `base.Store` says."""

    def __init__(self, address: str) -> None:
        self._address = checked_address(address)
        self.place = place_at(address)
        # As they are: a server that packs what it sends does not tell the size.
        self._client = httpx.Client(
            follow_redirects=True,
            timeout=TIMEOUTS,
            headers={"Accept-Encoding": "identity"},
            # No caller says when it read the last file: no connection outlives its answer.
            limits=httpx.Limits(max_keepalive_connections=0),
            auth=_netrc(),
        )
        self._addresses: dict[str, str] = {}

    def listed(self) -> dict[str, Version]:
        """All files of the page and of the folders below it; or of the text."""
        page = self._page(self._address)
        if page.is_html:
            self._addresses = dict(self._below(page, ""))
        else:
            self._addresses = _addresses_in(page, str(self.place))
        with ThreadPoolExecutor(LOOKS, "look") as pool:
            versions = list(pool.map(self._version, self._addresses.values()))
        return dict(zip(self._addresses, versions, strict=True))

    def is_still(self, path: str, listed: Version) -> bool:
        """By what its head says."""
        return self._version(self._addresses[path]) == listed

    def open(self, path: str, listed: Version) -> IO[bytes]:
        """The bytes in their order, of one request, or of more when it is cut off."""
        shown = f"{self.place}/{path}"
        body = _Body(self._client, self._addresses[path], shown, listed)
        failure = self._failure
        if listed.size is None:
            return io.BufferedReader(_Whole(body, failure), BUFFER)
        return io.BufferedReader(_ForwardOnly(listed.size, body.read, failure, body.close), BUFFER)

    def _page(self, address: str) -> _Page:
        def asked() -> _Page:
            try:
                with self._client.stream("GET", address) as response:
                    _check(response, str(self.place))
                    content = b""
                    for piece in response.iter_bytes(_PIECE):
                        content += piece
                        if len(content) > LARGEST_LIST:
                            raise UsageError(f"{self.place} is no listing of files: it is too long")
                    return _Page(str(response.url), response.headers, content)
            except httpx.HTTPError as error:
                raise ConnectionError(str(error) or type(error).__name__) from error

        try:
            return asked()
        except OSError as error:
            raise self._failure(error) from error

    def _below(self, page: _Page, above: str) -> Iterator[tuple[str, str]]:
        """Paths and addresses of the files that a page links, and those of its folders."""
        pages = 0
        waiting = [(page, above)]
        while waiting:
            page, above = waiting.pop(0)
            for name, address in page.links():
                path = f"{above}{name}"
                if is_no_data(name.rstrip("/")) and not log_of(name.rstrip("/")):
                    continue
                if not name.endswith("/"):
                    yield path, address
                elif above.count("/") < 2 or table_of(folder_stem(path.split("/")[0])) is not None:
                    pages += 1
                    if pages > MOST_PAGES:
                        raise UsageError(f"{self.place} has more than {MOST_PAGES} folders")
                    waiting.append((self._page(address), path))

    def _version(self, address: str) -> Version:
        def asked() -> Version:
            try:
                response = self._client.head(address)
                if response.status_code in (403, 405, 501):  # signed addresses are for one method
                    with self._client.stream("GET", address) as response:
                        pass
            except httpx.HTTPError as error:
                raise ConnectionError(str(error) or type(error).__name__) from error
            _check(response, _shown(address))
            return _version_of(response)

        return retried(asked, self._failure)

    def _failure(self, error: OSError) -> CoffeeshopError:
        return Unreachable(f"{self.place} does not answer: {error}")


class _Page:
    """What a server sent for the address of a listing."""

    def __init__(self, url: str, headers: Mapping[str, str], content: bytes) -> None:
        self.url = url
        self.text = content.decode("utf-8", errors="replace")
        kind = headers.get("content-type", "").partition(";")[0].strip().lower()
        self.is_html = kind in ("text/html", "application/xhtml+xml")
        self.is_text = kind in ("", "text/plain", "text/uri-list", "application/octet-stream")

    def links(self) -> Iterator[tuple[str, str]]:
        """Names and addresses of what is in the folder of which this is the page, each once."""
        found = _Links()
        found.feed(self.text)
        base = urljoin(self.url, ".") if found.base is None else urljoin(self.url, found.base)
        seen = set()
        for link in found.links:
            address = urljoin(base, link)
            bare = urlunsplit((*urlsplit(address)[:3], "", ""))
            name = unquote(bare.removeprefix(base))
            # Columns to sort by, the folder above, other sites: no files of this folder.
            inside = bare.startswith(base) and name.rstrip("/") not in ("", ".", "..")
            if inside and "/" not in name.rstrip("/") and name not in seen:
                seen.add(name)
                yield name, bare if bare == address else address


class _Links(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.links: list[str] = []
        self.base: str | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        href = dict(attrs).get("href")
        if href and tag == "a":
            self.links.append(href)
        elif href and tag == "base":
            self.base = href


def _addresses_in(page: _Page, place: str) -> dict[str, str]:
    """The files that a text names, one a line: addresses, or paths from where the text is."""
    lines = (line.strip() for line in page.text.splitlines())
    links = [line for line in lines if line and not line.startswith("#")]
    if not page.is_text or not links or len(links) > MOST_FILES:
        raise UsageError(
            f"{place} is no listing of files: name a folder whose page links them, "
            "or a text with an address on each line"
        )
    addresses = [urljoin(page.url, link) for link in links]
    for line, address in zip(links, addresses, strict=True):
        if urlsplit(address).scheme not in ("http", "https") or any(c.isspace() for c in address):
            raise UsageError(f"{place}: {line[:80]!r} is no address of a file")
    paths = [unquote(urlsplit(address).path) for address in addresses]
    top = commonpath([path.rpartition("/")[0] or "/" for path in paths])
    if table_of(folder_stem(top.rpartition("/")[2])) is not None:  # all are of one table
        top = top.rpartition("/")[0]
    found: dict[str, str] = {}
    for path, address in zip(paths, addresses, strict=True):
        inside = path.removeprefix(top).lstrip("/")
        if found.setdefault(inside, address) != address:
            raise UsageError(f"{place} names {inside} twice")
    return found


class _Body:
    """A file's bytes by offset, of one response as long as they are read in order."""

    def __init__(self, client: httpx.Client, address: str, shown: str, listed: Version) -> None:
        self._client = client
        self._address = address
        self._shown = shown
        self._listed = listed
        self._response: httpx.Response | None = None
        self._pieces: Iterator[bytes] = iter(())
        self._held = b""
        self._at = 0

    def read(self, offset: int, size: int) -> bytes:
        """At most so many bytes; nothing at the end. Raises `OSError` when they are cut off."""
        if self._response is None or offset != self._at:
            self._begin(offset)
        try:
            while not self._held:
                piece = next(self._pieces, None)
                if piece is None:
                    if self._listed.size is not None:
                        raise ConnectionError("the answer ended too early")
                    return b""
                self._held = piece
        except (httpx.HTTPError, OSError) as error:
            self.close()
            raise ConnectionError(str(error) or type(error).__name__) from error
        given, self._held = self._held[:size], self._held[size:]
        self._at += len(given)
        return given

    def close(self) -> None:
        """Close the connection."""
        if self._response is not None:
            self._response.close()
        self._response, self._pieces, self._held = None, iter(()), b""

    def _begin(self, offset: int) -> None:
        self.close()
        headers = {"Range": f"bytes={offset}-"} if offset else {}
        request = self._client.build_request("GET", self._address, headers=headers)
        try:
            response = self._client.send(request, stream=True)
        except httpx.HTTPError as error:
            raise ConnectionError(str(error) or type(error).__name__) from error
        self._response = response
        try:
            _check(response, self._shown)
            if not _is_part_of(response, self._listed, offset):
                raise changed(self._shown)
        except BaseException:
            self.close()
            raise
        self._pieces = response.iter_raw(_PIECE)
        # A server that knows no ranges begins anew: what was read before is passed over.
        skipped = offset if response.status_code != 206 else 0
        self._at = offset - skipped
        while self._at < offset:
            self.read(self._at, offset - self._at)


class _ForwardOnly(Retrying):
    """Bytes that come in their order: going back would ask for all of them again."""

    def seekable(self) -> bool:
        """False."""
        return False


class _Whole(io.RawIOBase):
    """The bytes of a file of which no size is told: what is cut off cannot be told from its end
    but by the connection, and is not continued."""

    def __init__(self, body: _Body, failure: Any) -> None:
        super().__init__()
        self._body = body
        self._failure = failure
        self._at = 0

    def readable(self) -> bool:
        """True."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill a part of the buffer; 0 at the end."""
        try:
            data = self._body.read(self._at, len(buffer))
        except OSError as error:
            raise self._failure(error) from error
        buffer[: len(data)] = data
        self._at += len(data)
        return len(data)

    def close(self) -> None:
        """Close the connection."""
        self._body.close()
        super().close()


def _check(response: httpx.Response, shown: str) -> None:
    """Raise what an answer that is no success means; `OSError` for what may pass."""
    status = response.status_code
    if status in _LATER:
        raise ConnectionError(f"it answers {status}")
    if status in _DENIED:
        error = Forbidden(f"{shown}: access denied ({status})")
        error.hint = "write user and password for that host into ~/.netrc"
        raise error
    if status in _GONE:
        raise UsageError(f"there is nothing at {shown} ({status})")
    if not response.is_success:
        raise BadData(f"cannot be read: the server answers {status}", file=shown)


def _version_of(response: httpx.Response) -> Version:
    headers = response.headers
    length = headers.get("content-length", "")
    mark = headers.get("etag") or headers.get("last-modified") or ""
    return Version(int(length) if length.isdigit() else None, mark)


def _is_part_of(response: httpx.Response, listed: Version, offset: int) -> bool:
    """Whether an answer is of the file that was listed, and has what was asked for."""
    found = _version_of(response)
    if response.status_code != 206:
        return found == listed
    total = response.headers.get("content-range", "").rpartition("/")[2]
    starts = response.headers.get("content-range", "").startswith(f"bytes {offset}-")
    return starts and found.mark == listed.mark and total in ("*", str(listed.size))


def _netrc() -> httpx.Auth | None:
    """Users and passwords by host, where there is such a file."""
    file = os.path.expanduser(os.environ.get("NETRC") or "~/.netrc")
    return httpx.NetRCAuth(file) if os.path.isfile(file) else None


def _shown(address: str) -> str:
    return urlunsplit((*urlsplit(address)[:3], "", ""))
