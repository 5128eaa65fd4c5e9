"""Write the pictures of the web page in docs/images: `.venv/bin/python scripts/screenshots.py`.

Starts everything in this process, feeds it generated data, and drives Debian's Chromium.
"""

from __future__ import annotations

import socket
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest import mock

from playwright.sync_api import Browser, Page, sync_playwright

from coffeeshop.api import Client
from coffeeshop.client.folder import open_folder
from coffeeshop.client.gateway import GatewayClient
from coffeeshop.client.remote import analyse
from coffeeshop.generate import generate
from coffeeshop.messages import SessionSpec
from coffeeshop.service import NodeOptions, Service
from coffeeshop.transport.memory import MemoryTransport

IMAGES = Path(__file__).parent.parent / "docs" / "images"
CHROMIUM = Path("/usr/bin/chromium")
IDS = ("6f1a0c3e-52b4-4d7e-9a41-0b7f5c2d8e10", "0e9d4b7a-18c6-4f02-8b55-d3a2f6c1e7b4")
WIDE = {"width": 1200, "height": 900}
NARROW = {"width": 390, "height": 844}
WARM_UP = 30_000  # milliseconds in which the charts get something to show
# Bytes a second and milliseconds: slow, so that there is something to see.
LINE = {"offline": False, "latency": 5, "downloadThroughput": -1, "uploadThroughput": 1_400_000}


def main() -> None:
    """Write all pictures."""
    IMAGES.mkdir(parents=True, exist_ok=True)
    with (
        mock.patch("socket.gethostname", return_value="branch-1"),  # not that of this machine
        tempfile.TemporaryDirectory() as scratch,
        service() as url,
        sync_playwright() as playwright,
    ):
        folder = Path(scratch) / "malls"
        generate(folder, transactions=250_000, seed=7)
        client = GatewayClient(url)
        analyse(client, open_folder(folder), SessionSpec(IDS[0]))
        client.open(SessionSpec(IDS[1], "staged", producers=2), "both harbours")
        client.cancel(IDS[1])
        client.close()
        written = Path(scratch) / "report.html"
        with Client() as here:
            here.submit(folder).report(written)
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        for scheme in ("light", "dark"):
            live(browser, url, folder, scheme)
            results(browser, url, scheme)
            report(browser, written, scheme)
        narrow(browser, url)
        browser.close()


@contextmanager
def service() -> Iterator[str]:
    """A gateway and all node types over the memory transport; its URL."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    options = NodeOptions(("all",), "memory:", port=port)
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


def live(browser: Browser, url: str, folder: Path, scheme: str) -> None:
    """The upload dialog, then the overview and the session while data comes in."""
    context = browser.new_context(viewport=WIDE, color_scheme=scheme)
    page = context.new_page()
    page.goto(url)
    page.get_by_role("button", name="New analysis").click()
    page.locator("#pick-folder").set_input_files(folder)
    shot(page, f"upload-{scheme}")

    line = context.new_cdp_session(page)
    line.send("Network.enable")
    line.send("Network.emulateNetworkConditions", LINE)
    page.get_by_role("button", name="Start the analysis").click()
    page.get_by_role("heading", name="Uploading").wait_for()
    page.goto(f"{url}/#/")
    page.wait_for_timeout(WARM_UP // 2)
    page.locator(".flowing").first.wait_for(state="attached")
    shot(page, f"overview-{scheme}", whole=True)
    page.get_by_role("link", name=folder.name).first.click()
    page.get_by_role("heading", name="Pipeline").wait_for()
    page.locator(".flowing").first.wait_for(state="attached")
    shot(page, f"session-live-{scheme}", whole=True)
    context.close()


def results(browser: Browser, url: str, scheme: str) -> None:
    """The answers of a completed session."""
    context = browser.new_context(viewport=WIDE, color_scheme=scheme)
    page = context.new_page()
    page.goto(f"{url}/#/sessions/{IDS[0]}")
    for name in ("Large purchases", "Best sellers", "Revenue", "Customers"):
        page.get_by_role("tab", name=name).click()
        page.get_by_role("tabpanel").locator("canvas").first.wait_for()
        page.wait_for_timeout(500)
        page.get_by_role("heading", name="Results").scroll_into_view_if_needed()
        page.evaluate("() => document.querySelector('.tabs').closest('section').scrollIntoView()")
        shot(page, f"{name.split()[-1].lower()}-{scheme}")
    context.close()


def report(browser: Browser, file: Path, scheme: str) -> None:
    """The beginning of a report."""
    context = browser.new_context(viewport=WIDE, color_scheme=scheme)
    page = context.new_page()
    page.goto(file.as_uri())
    page.locator("canvas").first.wait_for()
    shot(page, f"report-{scheme}")
    context.close()


def narrow(browser: Browser, url: str) -> None:
    """A telephone's screen."""
    context = browser.new_context(viewport=NARROW, color_scheme="light")
    page = context.new_page()
    for path, name in (("/#/", "overview"), (f"/#/sessions/{IDS[0]}", "session")):
        page.goto(url + path)
        page.locator("canvas").first.wait_for()
        page.wait_for_timeout(2_500)
        shot(page, f"{name}-narrow")
    context.close()


def shot(page: Page, name: str, *, whole: bool = False) -> None:
    """One picture."""
    page.wait_for_timeout(300)
    page.screenshot(path=IMAGES / f"{name}.png", full_page=whole)


if __name__ == "__main__":
    main()
