"""One browser for all tests of the page, and pages whose every complaint fails the test."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright

from coffeeshop.generate import generate
from tests.browser.watched import Watched
from tests.running import Running, running

CHROMIUM = Path("/usr/bin/chromium")
ARGUMENTS = (
    "--no-sandbox",  # root in a container has no other way
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--no-first-run",
)
Open = Callable[..., Watched]


# Not of the whole run: its event loop would be in the way of tests that have one of their own.
@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """Debian's Chromium; nothing is ever downloaded."""
    if not CHROMIUM.exists():
        reason = (
            "THE WEB PAGE IS NOT TESTED: chromium is not installed (Debian: apt install chromium)"
        )
        if "CI" in os.environ:
            pytest.fail(reason)
        pytest.skip(reason)
    with sync_playwright() as playwright:
        made = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield made
        made.close()


@pytest.fixture(scope="module")
def system() -> Iterator[Running]:
    """A gateway and a node for the tests of one file that leave both alone."""
    with running() as made:
        yield made


@pytest.fixture
def open_page(browser: Browser) -> Iterator[Open]:
    """Open the page of a gateway in a browser of its own, as ``open_page(url, path, **how)``.

    Without a path nothing is asked yet.
    """
    watched: list[Watched] = []

    def opened(url: str, path: str | None = "/", **how: object) -> Watched:
        made = Watched(browser, url, **how)
        watched.append(made)
        if path is not None:
            made.page.goto(url + path)
        return made

    yield opened
    for each in watched:
        each.close()
    for each in watched:
        each.check()


@pytest.fixture(scope="session")
def flat(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with a file a table; its transactions go in two parts."""
    folder = tmp_path_factory.mktemp("flat") / "malls"
    generate(folder, transactions=50_000, seed=31, layout="flat")
    return folder


@pytest.fixture(scope="session")
def dirs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small data folder with a folder a table."""
    folder = tmp_path_factory.mktemp("dirs") / "streets"
    generate(folder, transactions=3_000, seed=32, layout="dirs")
    return folder
