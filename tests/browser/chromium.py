"""The system's Chromium under Playwright, and what is watched while a page is open."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, sync_playwright

AXE = Path(__file__).parents[2] / "static" / "node_modules" / "axe-core" / "axe.min.js"
_NAMES = ("chromium", "chromium-browser", "google-chrome")
_ARGUMENTS = [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
# What Chromium itself says of a form that came back with errors.
_EXPECTED = ("status of 422",)
_SERIOUS = ("serious", "critical")


def find_chromium() -> str:
    """Where Chromium lies; without it a test is left out, but fails where CI is set."""
    found = next(filter(None, map(shutil.which, _NAMES)), None)
    if found is None:
        _refuse("Chromium is missing: install the package `chromium`")
    return str(found)


def _refuse(reason: str) -> None:
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


@contextmanager
def running_browser() -> Iterator[Browser]:
    """A Chromium, closed at the end."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_chromium(), args=_ARGUMENTS)
        try:
            yield browser
        finally:
            browser.close()


@dataclass
class Watch:
    """What happened in a browser that should not: messages on the console, requests to elsewhere."""

    origin: str
    console: list[str] = field(default_factory=list)
    foreign: list[str] = field(default_factory=list)
    allowed: list[str] = field(default_factory=lambda: list(_EXPECTED))
    bytes_sent: int = 0

    def attach(self, context: BrowserContext) -> None:
        """Look at every page of the context from now on."""
        context.on("console", self._hear)
        context.on("weberror", lambda error: self.console.append(str(error.error)))
        context.on("request", lambda request: self._see(request.url))

    def allow(self, text: str) -> None:
        """Expect console messages with this text."""
        self.allowed.append(text)

    def check(self) -> None:
        """Fail if there was something."""
        assert [text for text in self.console if not any(each in text for each in self.allowed)] == []
        assert self.foreign == []

    def _hear(self, message: ConsoleMessage) -> None:
        self.console.append(f"{message.type}: {message.text}")

    def _see(self, url: str) -> None:
        if not url.startswith((f"{self.origin}/", "data:", "blob:")):
            self.foreign.append(url)


def find_violations(page: Page) -> list[str]:
    """What axe-core finds on the page that is serious, as lines to read.

    Run by the debugger of the browser, so that the policy of the page stays as it is.
    """
    if not AXE.is_file():
        _refuse("axe-core is missing: run `npm ci` in static/")
    page.evaluate(AXE.read_text())
    found: dict[str, Any] = page.evaluate("() => axe.run(document)")
    return [
        f"{violation['id']}: {node['html']} {node['failureSummary']}"
        for violation in found["violations"]
        if violation["impact"] in _SERIOUS
        for node in violation["nodes"]
    ]
