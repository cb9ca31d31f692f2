"""Chromium for the tests of pages: what a page asks for and complains of is kept, and no test waits
for a time."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")

CHROMIUM = (
    shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
)
FLAGS = ("--no-sandbox", "--disable-background-networking")
PATIENCE = 600_000  # milliseconds that no test waits for but one that fails
needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on PATH")
FRAMES = "new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"


@contextmanager
def chromium(*flags: tuple[str, ...]) -> Iterator[list]:
    """A browser for each set of flags."""
    with sync_api.sync_playwright() as playwright:
        start = playwright.chromium.launch
        browsers = [
            start(executable_path=CHROMIUM, args=[*FLAGS, *some], timeout=PATIENCE)
            for some in flags
        ]
        yield browsers
        for browser in browsers:
            browser.close()


def opened(browser, address: str, stopped: bool = False, **window: object):
    """A page in a window of its own; with a clock that stands still, where that is asked for.

    `requests` and `problems` are what it asked for and complained of.
    """
    page = browser.new_page(**{"viewport": {"width": 1280, "height": 800}} | window)
    page.set_default_timeout(PATIENCE)
    page.requests, page.problems, page.stopped = [], [], stopped
    page.on("request", lambda request: page.requests.append(request.url))
    page.on("requestfailed", lambda request: page.problems.append(f"failed: {request.url}"))
    page.on(
        "console",
        lambda m: page.problems.append(m.text) if m.type in ("error", "warning") else None,
    )
    page.on("pageerror", lambda error: page.problems.append(str(error)))
    if stopped:
        page.clock.install(time=0)
        page.clock.pause_at(1000)
    page.goto(address)
    return page


def drawn(page):
    """The page, when all that has happened to it can be seen."""
    if page.stopped:  # with its clock, what it wants to do before the next picture
        page.clock.run_for(50)
    else:
        page.evaluate(FRAMES)
    return page


def asked_for(page) -> list[str]:
    """The addresses that a page asked for, what it holds itself left out."""
    return [url for url in page.requests if not url.startswith("data:")]
