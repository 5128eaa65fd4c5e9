"""A page in a browser of its own, of which nothing goes unnoticed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from playwright.sync_api import (
    Browser,
    ConsoleMessage,
    FileChooser,
    Locator,
    Page,
    Request,
    expect,
)

PATIENCE = 30_000
"""Milliseconds a test waits for something that must happen."""
expect.set_options(timeout=PATIENCE)


class Watched:
    """``check`` fails for errors, violations of the policy, and requests to other servers."""

    def __init__(self, browser: Browser, url: str, **how: Any) -> None:
        """``how`` goes to the browser's context: colours, size."""
        self.url = url
        self.context = browser.new_context(**{"viewport": {"width": 1200, "height": 900}, **how})
        self.page: Page = self.context.new_page()
        self.page.set_default_timeout(PATIENCE)
        self.requests: list[str] = []
        self.complaints: list[str] = []
        self.forgiven: tuple[str, ...] = ()
        self.choosers: list[FileChooser] = []
        # Before anything is done: Playwright turns the interception on without waiting for it, so
        # `expect_file_chooser` around a key press can be too late for a page that is slow.
        self.page.on("filechooser", lambda chooser: self.choosers.append(chooser))
        self.page.on("console", self._console)
        self.page.on("pageerror", lambda error: self.complaints.append(f"uncaught: {error}"))
        self.page.on("request", self._request)
        # In the page's own words too: not every violation reaches the console.
        self.page.expose_function("violated", lambda what: self.complaints.append(f"CSP: {what}"))
        self.page.add_init_script(
            "addEventListener('securitypolicyviolation', (event) =>"
            " violated(`${event.violatedDirective} ${event.blockedURI}`))"
        )

    def close(self) -> None:
        """Close the browser's context."""
        self.context.close()

    def check(self) -> None:
        """Fail for whatever the browser complained of, but what was ``forgiven``."""
        assert not self.complaints, self.complaints

    def forgive(self, *beginnings: str) -> None:
        """Let the console speak of what a test does on purpose."""
        self.forgiven += beginnings

    def upload(self, folder: Path, name: str | None = None) -> str:
        """Choose a folder in the dialog, start, and give the session's id."""
        self.choose(folder)
        if name is not None:
            self.page.get_by_label("Name (optional)").fill(name)
        self.page.get_by_role("button", name="Start the analysis").click()
        self.page.wait_for_url("**/#/sessions/*")
        return self.page.url.rpartition("/")[2]

    def choose(self, folder: Path) -> None:
        """Choose a folder in the dialog."""
        self.page.get_by_role("button", name="New analysis").click()
        self.page.locator("#pick-folder").set_input_files(folder)
        expect(self.page.get_by_role("list", name="Tables in what was chosen")).to_be_visible()

    def drop(self, folder: Path, target: Locator) -> None:
        """Drag a folder over ``target`` until the page says that it takes it, and let it go.

        A browser passes no drag on to a page that it has not drawn yet.
        """
        box = target.bounding_box()
        assert box is not None
        session = self.context.new_cdp_session(self.page)
        drag = {
            "data": {"items": [], "files": [str(folder)], "dragOperationsMask": 1},
            "x": box["x"] + 20,
            "y": box["y"] + 20,
        }

        def taken() -> bool:
            for kind in ("dragEnter", "dragOver"):
                session.send("Input.dispatchDragEvent", {"type": kind, **drag})
            return self.page.locator("body.dropping, .drop.over").count() > 0

        self.wait(taken)
        session.send("Input.dispatchDragEvent", {"type": "drop", **drag})

    def chooser(self) -> FileChooser:
        """Wait for the one file chooser that the page opened."""
        self.wait(lambda: bool(self.choosers))
        [found] = self.choosers
        self.choosers.clear()
        return found

    def expect_state(self, state: str) -> None:
        """Wait for the session's state, as the session's page shows it."""
        expect(self.page.locator(".head .pill")).to_have_text(state)

    def wait(self, holds: Callable[[], bool]) -> None:
        """Let the browser go on until ``holds``."""
        for _ in range(PATIENCE // 20):
            if holds():
                return
            self.page.wait_for_timeout(20)
        raise AssertionError("it did not happen")

    def _console(self, message: ConsoleMessage) -> None:
        forgiven = any(message.text.startswith(beginning) for beginning in self.forgiven)
        if message.type in ("error", "warning") and not forgiven:
            self.complaints.append(f"{message.type}: {message.text}")

    def _request(self, request: Request) -> None:
        self.requests.append(request.url)
        if not request.url.startswith((self.url + "/", "data:", "blob:" + self.url)):
            self.complaints.append(f"a request to {request.url}")
