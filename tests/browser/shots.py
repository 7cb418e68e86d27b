"""Pictures of every page, light and dark, wide and narrow: `python -m tests.browser.shots [NAME …]`."""

import sys
import tempfile
from pathlib import Path

from playwright.sync_api import Browser, StorageState

from tests.browser.chromium import running_browser
from tests.browser.conftest import sign_in
from tests.browser.pages import PAGES, Shown
from tests.browser.server import Server, running_empty_server, running_server

FOLDER = Path(__file__).parent / "shots"
_WIDTHS = {"wide": 1280, "narrow": 360}
_COLOURS = ("light", "dark")


def take_shots(names: list[str]) -> None:
    """Take a picture of each page with one of the names, or of all."""
    FOLDER.mkdir(exist_ok=True)
    with (
        tempfile.TemporaryDirectory() as folder,
        running_server(Path(folder) / "instance") as server,
        running_browser() as browser,
    ):
        context = browser.new_context(base_url=server.url)
        sign_in(context.new_page(), server)
        state = context.storage_state()
        context.close()
        for shown in PAGES:
            if not names or shown.name in names:
                _take(browser, server, shown, state if shown.signed_in else None)
        if not names or "setup" in names:
            _take_setup(browser, Path(folder) / "empty")


def _take_setup(browser: Browser, folder: Path) -> None:
    """The first run has a server of its own, on which nobody has an account."""
    with running_empty_server(folder) as (url, link):
        server = Server(url, folder, 0, "", "", "")
        _take(browser, server, Shown("setup", link.removeprefix(url)), None)
        _take(browser, server, Shown("setup-closed", "/setup"), None)


def _take(browser: Browser, server: Server, shown: Shown, state: StorageState | None) -> None:
    for size, width in _WIDTHS.items():
        for colours in _COLOURS:
            context = browser.new_context(
                base_url=server.url,
                viewport={"width": width, "height": 800},
                color_scheme=colours,  # type: ignore[arg-type]  # a Literal that a tuple cannot carry
                storage_state=state,
            )
            page = context.new_page()
            shown.open(page, server)
            page.screenshot(path=FOLDER / f"{shown.name}-{size}-{colours}.png", full_page=shown.whole)
            context.close()


if __name__ == "__main__":
    take_shots(sys.argv[1:])
