"""A data folder on a web server: a page of links as servers make it, or a text of addresses."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

import coffeeshop
from coffeeshop.errors import BadData, CoffeeshopError, Forbidden, Unreachable, UsageError
from coffeeshop.reading.stores import base, open_address
from tests.stores.conftest import Written
from tests.stores.cutting import CuttingProxy

Answer = Callable[[Path | str], Written]


class Site(SimpleHTTPRequestHandler):
    """Python's own server of files; it knows no ranges."""

    knows_ranges = False
    tells_sizes = True

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing."""

    def send_head(self) -> Any:
        """As it does, but for what the tests ask."""
        if self.path.startswith("/denied/"):
            self.send_error(401)
            return None
        if self.path.startswith("/busy/"):
            self.send_error(503)
            return None
        wanted = self.headers.get("Range")
        if wanted is None or not self.knows_ranges:
            return super().send_head()
        start = int(wanted.removeprefix("bytes=").rstrip("-"))
        file = Path(self.translate_path(self.path))
        size = file.stat().st_size
        self.send_response(206)
        self.send_header("Content-Range", f"bytes {start}-{size - 1}/{size}")
        self.send_header("Content-Length", str(size - start))
        self.send_header("Last-Modified", self.date_time_string(file.stat().st_mtime))  # type: ignore[arg-type]
        self.end_headers()
        opened = file.open("rb")
        opened.seek(start)
        return opened

    def send_header(self, keyword: str, value: str) -> None:
        """Without the size, where that is not told."""
        if self.tells_sizes or keyword != "Content-Length" or self.path.endswith("/"):
            super().send_header(keyword, value)


class Ranges(Site):
    """One that knows ranges."""

    knows_ranges = True


class Endless(Site):
    """One that tells no sizes: the end of the connection is that of the file."""

    tells_sizes = False


@pytest.fixture
def serve() -> Iterator[Callable[..., int]]:
    """Serve a folder: gives the port."""
    servers: list[tuple[ThreadingHTTPServer, threading.Thread]] = []

    def started(folder: Path, kind: type[Site] = Site) -> int:
        server = ThreadingHTTPServer(("127.0.0.1", 0), partial(kind, directory=str(folder)))
        server.daemon_threads = False
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        servers.append((server, thread))
        return server.server_port

    yield started
    for server, thread in servers:
        server.shutdown()
        thread.join()
        server.server_close()


def at(port: int, path: str = "") -> str:
    return f"http://127.0.0.1:{port}/{path}"


@pytest.mark.parametrize("kind", [Site, Ranges, Endless])
@pytest.mark.parametrize("folder", ["small", "packed"])
def test_the_answers_are_those_of_the_same_folder_on_this_machine(
    serve: Callable[..., int],
    kind: type[Site],
    folder: str,
    answered: Answer,
    request: pytest.FixtureRequest,
) -> None:
    data: Path = request.getfixturevalue(folder)
    assert answered(at(serve(data.parent, kind), data.name)) == answered(data)


def test_a_text_of_addresses_is_read_as_a_folder(
    serve: Callable[..., int], small: Path, tmp_path: Path, answered: Answer
) -> None:
    files = sorted(file.relative_to(small).as_posix() for file in small.rglob("*.csv"))
    data = serve(small.parent)
    absolute = [at(data, f"{small.name}/{file}?signature=secret") for file in files]
    (tmp_path / "list.txt").write_text("# files\n\n" + "\n".join(absolute))
    address = at(serve(tmp_path), "list.txt")
    assert answered(address) == answered(small)
    folder = open_address(address)
    assert "secret" not in str([str(file) for each in folder.files.values() for file in each])
    try:
        (small / "index.txt").write_text("\n".join(files))  # relative to where the text is
        assert answered(at(data, f"{small.name}/index.txt")) == answered(small)
    finally:
        (small / "index.txt").unlink()


@pytest.mark.parametrize("kind", [Site, Ranges])
def test_an_answer_that_is_cut_off_is_continued(
    serve: Callable[..., int], flat: Path, answered: Answer, kind: type[Site]
) -> None:
    with CuttingProxy(serve(flat, kind)) as proxy:
        proxy.cut_after = 3_000_000
        assert answered(at(proxy.port)) == answered(flat)
        assert proxy.cuts == 1


def test_a_server_that_stays_away_ends_the_session_and_says_so(
    serve: Callable[..., int], flat: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(base, "PATIENCE", 0.1)
    with CuttingProxy(serve(flat)) as proxy:

        def cut(table: str, rows: int, size: int) -> None:
            proxy.is_away = True
            proxy.cut_after = 0

        with coffeeshop.Client("memory:") as client:
            with pytest.raises(Unreachable, match="does not answer"):
                client.submit(at(proxy.port), on_progress=cut, timeout=60)
            with pytest.raises(Unreachable, match="does not answer"):
                client.submit(at(proxy.port), timeout=60)


def test_a_file_that_changes_after_it_was_listed_is_refused(
    serve: Callable[..., int], small: Path, tmp_path: Path
) -> None:
    for file in small.rglob("*.csv"):
        (tmp_path / file.parent.name).mkdir(exist_ok=True)
        (tmp_path / file.parent.name / file.name).write_bytes(file.read_bytes())
    folder = open_address(at(serve(tmp_path)))
    [first, *_] = folder.files["stores"]
    assert isinstance(first, base.StoredFile)
    with first.open("rb") as stream:
        assert stream.read() == (tmp_path / first.path).read_bytes()
    first.verify()
    with (tmp_path / first.path).open("ab") as out:
        out.write(b"99,New\n")
    with pytest.raises(BadData, match="changed while it was read"):
        first.verify()
    with pytest.raises(BadData, match="changed while it was read"), first.open("rb") as stream:
        stream.read()


@pytest.mark.parametrize(
    ("path", "kind", "words"),
    [
        ("nothing/", UsageError, r"there is nothing at http://127.0.0.1:\d+/nothing \(404\)"),
        ("denied/", Forbidden, r"access denied \(401\)"),
        ("busy/", Unreachable, "does not answer: it answers 503"),
        ("words/", BadData, "no table found"),
        ("words/page.txt", UsageError, "'this is no' is no address of a file"),
        ("words/data.csv", UsageError, "no listing of files"),
        ("words/twice.txt", UsageError, "names a.csv twice"),
    ],
)
def test_a_wrong_address_is_told_in_plain_words(
    serve: Callable[..., int], tmp_path: Path, path: str, kind: type[CoffeeshopError], words: str
) -> None:
    folder = tmp_path / "words"
    folder.mkdir()
    (folder / "page.txt").write_text("this is no\nlist\n")
    (folder / "data.csv").write_text("a,b\n")
    (folder / "twice.txt").write_text("a.csv?x=1\na.csv?x=2\nb.csv\n")
    with pytest.raises(kind, match=words):
        open_address(at(serve(tmp_path), path))


def test_a_page_of_another_make_is_read_as_well(
    serve: Callable[..., int], small: Path, tmp_path: Path, answered: Answer
) -> None:
    """With absolute links, columns to sort by, a link upwards and one to another site."""
    site = tmp_path / "site"
    (site / "data").mkdir(parents=True)
    links = ["?C=M;O=A", "/", "../", "./", "https://example.com/x.csv", "#top"]
    for number, folder in enumerate(sorted(small.iterdir())):
        (site / "data" / folder.name).symlink_to(folder)
        links.append(f"{folder.name}/" if number % 2 else f"/data/{folder.name}/")
    page = "".join(f'<A HREF="{link}">x</A>' for link in links)
    (site / "data" / "index.html").write_text(f"<html><body>{page}")
    assert answered(at(serve(site), "data/")) == answered(small)
