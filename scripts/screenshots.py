"""Write the pictures of docs/images: `.venv/bin/python scripts/screenshots.py [NAME ...]`.

Starts everything in this process as `coffeeshop serve` does, feeds it generated data, and drives
Debian's Chromium. With names, only these pictures are written (`revenue`, `report`, ...).
"""

from __future__ import annotations

import re
import socket
import struct
import sys
import tempfile
import threading
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest import mock

import numpy as np
import numpy.typing as npt
from playwright.sync_api import Browser, Page, ViewportSize, sync_playwright

from coffeeshop.api import Client
from coffeeshop.client.example import ExampleData
from coffeeshop.generate import generate
from coffeeshop.service import NodeOptions, Service
from coffeeshop.transport.memory import MemoryTransport

IMAGES = Path(__file__).parent.parent / "docs" / "images"
CHROMIUM = Path("/usr/bin/chromium")
WIDE: ViewportSize = {"width": 1100, "height": 760}
NARROW: ViewportSize = {"width": 390, "height": 844}
COLOURS = 255
# Bytes a second and milliseconds: slow, so that there is something to see.
LINE = {"offline": False, "latency": 5, "downloadThroughput": -1, "uploadThroughput": 1_400_000}
Pixels = npt.NDArray[np.uint8]


def main() -> None:
    """Write all pictures."""
    IMAGES.mkdir(parents=True, exist_ok=True)
    with (
        mock.patch("socket.gethostname", return_value="branch-1"),  # not that of this machine
        tempfile.TemporaryDirectory() as scratch,
        service(Path(scratch)) as url,
        sync_playwright() as playwright,
    ):
        folder = Path(scratch) / "malls"
        generate(folder, transactions=120_000, seed=7)
        written = Path(scratch) / "report.html"
        with Client() as here:
            here.submit(folder).report(written)
        spoil(folder, Path(scratch) / "north")
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        first_look(browser, url)
        session = upload(browser, url, folder)
        asked(browser, url, folder)
        compared(browser, url, session)
        refused(browser, url, Path(scratch) / "north")
        overview(browser, url)
        report(browser, written)
        browser.close()


@contextmanager
def service(scratch: Path) -> Iterator[str]:
    """A gateway and all node types over the memory transport; its URL."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    options = NodeOptions(("all",), "memory:", port=port, example=ExampleData(scratch).files)
    running = Service(options, MemoryTransport())
    thread = threading.Thread(target=running.run)
    thread.start()
    try:
        if not running.wait_ready(30):
            raise SystemExit("the service did not start")
        yield f"http://127.0.0.1:{port}"
    finally:
        running.stop()
        thread.join()


def spoil(folder: Path, into: Path) -> None:
    """A small folder with one bad amount."""
    generate(into, transactions=2_000, seed=3, layout="flat")
    file = into / "transactions.csv"
    lines = file.read_text().splitlines()
    lines[1200] = re.sub(r",\d+\.\d+,(20\d\d)", r",12.3O,\1", lines[1200])
    file.write_text("\n".join(lines) + "\n")


def first_look(browser: Browser, url: str) -> None:
    """The page of a gateway that has no sessions yet."""
    context = browser.new_context(viewport=WIDE, color_scheme="light")
    page = context.new_page()
    page.goto(url)
    page.get_by_role("button", name="Try with example data").wait_for()
    shot(page, "first-look")
    context.close()


def upload(browser: Browser, url: str, folder: Path) -> str:
    """The dialog, the session while data comes in, and the answers, tab by tab; its id."""
    context = browser.new_context(viewport=WIDE, color_scheme="light")
    page = context.new_page()
    page.goto(url)
    page.get_by_role("button", name="New analysis").click()
    page.locator("#pick-folder").set_input_files(folder)
    shot(page, "upload")
    line = context.new_cdp_session(page)
    line.send("Network.enable")
    line.send("Network.emulateNetworkConditions", LINE)
    page.get_by_role("button", name="Start the analysis").click()
    page.locator(".flowing").first.wait_for(state="attached")
    page.wait_for_timeout(6_000)
    page.evaluate("() => scrollTo(0, 0)")
    shot(page, "session")
    line.send("Network.emulateNetworkConditions", {**LINE, "uploadThroughput": -1})
    page.get_by_text("Completed", exact=True).first.wait_for(timeout=60_000)
    for tab in page.get_by_role("tab").all():
        tab.click()
        page.get_by_role("tabpanel").locator("canvas, table").first.wait_for()
        page.wait_for_timeout(800)  # a chart grows
        page.evaluate("() => document.querySelector('.tabs').closest('section').scrollIntoView()")
        shot(page, re.sub(r"\W+", "-", tab.inner_text().strip().lower()))
    session = page.url.partition("#/sessions/")[2].partition("/")[0]
    context.close()
    return session


def asked(browser: Browser, url: str, folder: Path) -> None:
    """The answer to a question of the gallery."""
    with Client(url) as client:
        results = client.submit(folder, name="malls", questions=["revenue_by_weekday_and_hour"])
    context = browser.new_context(viewport=WIDE, color_scheme="light")
    page = context.new_page()
    page.goto(f"{url}/#/sessions/{results.session_id}")
    page.get_by_role("tabpanel").locator("canvas, table").first.wait_for()
    page.evaluate("() => document.querySelector('.tabs').closest('section').scrollIntoView()")
    shot(page, "weekdays-and-hours")
    context.close()


def compared(browser: Browser, url: str, session: str) -> None:
    """Two years of one session side by side."""
    context = browser.new_context(viewport=WIDE, color_scheme="light")
    page = context.new_page()
    page.goto(f"{url}/#/compare/{session}/{session}")
    page.get_by_role("row", name="Revenue").first.wait_for()
    shot(page, "compare")
    context.close()


def refused(browser: Browser, url: str, folder: Path) -> None:
    """What a bad row looks like."""
    context = browser.new_context(viewport=WIDE, color_scheme="light")
    page = context.new_page()
    page.goto(url)
    page.get_by_role("button", name="New analysis").click()
    page.locator("#pick-folder").set_input_files(folder)
    page.get_by_role("button", name="Start the analysis").click()
    page.get_by_role("alert").get_by_text("12.3O").first.wait_for()
    page.evaluate("() => scrollTo(0, 0)")
    shot(page, "bad-row")
    context.close()


def overview(browser: Browser, url: str) -> None:
    """All sessions; the same on a telephone."""
    for viewport, name in ((WIDE, "overview"), (NARROW, "overview-narrow")):
        context = browser.new_context(viewport=viewport, color_scheme="light")
        page = context.new_page()
        page.goto(f"{url}/#/")
        page.get_by_role("link", name="malls").first.wait_for()
        page.wait_for_timeout(2_500)
        shot(page, name)
        context.close()


def report(browser: Browser, file: Path) -> None:
    """The beginning of a report."""
    context = browser.new_context(viewport=WIDE, color_scheme="light")
    page = context.new_page()
    page.goto(file.as_uri())
    page.locator("canvas").first.wait_for()
    shot(page, "report")
    context.close()


def shot(page: Page, name: str) -> None:
    """One picture, in few colours: a third of the bytes."""
    if sys.argv[1:] and name not in sys.argv[1:]:
        return
    page.wait_for_timeout(300)
    png = page.screenshot()
    (IMAGES / f"{name}.png").write_bytes(few_colours(pixels_of(png)))


def pixels_of(png: bytes) -> Pixels:
    """The pixels (height, width, 3) of a PNG file of 8 bits of RGB, not interlaced."""
    width, height = struct.unpack(">II", png[16:24])
    depth = {2: 3, 6: 4}[png[25]]
    data, place = b"", 8
    while place < len(png):
        (size,) = struct.unpack(">I", png[place : place + 4])
        if png[place + 4 : place + 8] == b"IDAT":
            data += png[place + 8 : place + 8 + size]
        place += size + 12
    lines = np.frombuffer(zlib.decompress(data), np.uint8).reshape(height, width * depth + 1)
    rows = np.zeros((height + 1, width * depth), np.uint8)
    for y, line in enumerate(lines):
        rows[y + 1] = unfiltered(int(line[0]), line[1:], rows[y], depth)
    return rows[1:].reshape(height, width, depth)[:, :, :3].copy()


def unfiltered(kind: int, line: Pixels, above: Pixels, depth: int) -> Pixels:
    """One row of a PNG file without its filter (RFC 2083, chapter 6)."""
    if kind == 0:
        return line
    if kind == 2:
        return line + above
    made = np.zeros(len(line) + depth, np.uint8)
    before = np.concatenate([np.zeros(depth, np.uint8), above])
    for x in range(depth, len(made)):
        left, up, corner = int(made[x - depth]), int(above[x - depth]), int(before[x - depth])
        guess = {1: left, 3: (left + up) // 2}.get(kind)
        if guess is None:
            far = left + up - corner
            guess = min((left, up, corner), key=lambda each: abs(far - each))
        made[x] = (int(line[x - depth]) + guess) & 255
    return made[depth:]


def few_colours(pixels: Pixels) -> bytes:
    """A PNG file with a palette of the most frequent colours; others become the nearest."""
    height, width, _ = pixels.shape
    wide = pixels.astype(np.int32)
    packed = wide[:, :, 0] << 16 | wide[:, :, 1] << 8 | wide[:, :, 2]
    colours, place, counts = np.unique(packed, return_inverse=True, return_counts=True)
    rgb = np.stack([colours >> 16, colours >> 8 & 255, colours & 255], axis=1)
    _, coarse = np.unique(rgb // 12, axis=0, return_inverse=True)
    order = np.argsort(-counts, kind="stable")
    _, first = np.unique(coarse.ravel()[order], return_index=True)
    leaders = order[np.sort(first)][:COLOURS]  # of colours that look alike the most frequent one
    nearest = np.concatenate(
        [
            ((part[:, None, :] - rgb[leaders][None, :, :]) ** 2).sum(axis=2).argmin(axis=1)
            for part in np.array_split(rgb, len(rgb) // 500 + 1)
        ]
    )
    indices = nearest[place].reshape(height, width).astype(np.uint8)
    lines = np.concatenate([np.zeros((height, 1), np.uint8), indices], axis=1)
    head = struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)
    palette = rgb[leaders].astype(np.uint8).tobytes()
    parts = (
        b"IHDR" + head,
        b"PLTE" + palette,
        b"IDAT" + zlib.compress(lines.tobytes(), 9),
        b"IEND",
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(map(chunk, parts))


def chunk(part: bytes) -> bytes:
    """A part of a PNG file with its length and checksum."""
    return struct.pack(">I", len(part) - 4) + part + struct.pack(">I", zlib.crc32(part))


if __name__ == "__main__":
    main()
