"""Pictures of every page, light and dark, wide and narrow: `python -m tests.browser.shots [NAME …]`."""

import sys
import tempfile
from pathlib import Path

from playwright.sync_api import Browser

from tests.browser.chromium import running_browser
from tests.browser.pages import PAGES, Shown
from tests.browser.stage import Stage, staged

FOLDER = Path(__file__).parent / "shots"
_WIDTHS = {"wide": 1280, "narrow": 360}
_COLOURS = ("light", "dark")


def take_shots(names: list[str]) -> None:
    """Take a picture of each page with one of the names, or of all."""
    FOLDER.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, staged(Path(folder)) as stage, running_browser() as browser:
        for shown in PAGES:
            if not names or shown.name in names:
                _take(browser, stage, shown)


def _take(browser: Browser, stage: Stage, shown: Shown) -> None:
    server = stage.server(shown.kind)
    for size, width in _WIDTHS.items():
        for colours in _COLOURS:
            context = browser.new_context(
                base_url=server.url,
                viewport={"width": width, "height": 800},
                color_scheme=colours,  # type: ignore[arg-type]  # a Literal that a tuple cannot carry
                storage_state=stage.state(browser, shown.who),
            )
            page = context.new_page()
            shown.open(page, server)
            page.screenshot(path=FOLDER / f"{shown.name}-{size}-{colours}.png", full_page=shown.whole)
            context.close()


if __name__ == "__main__":
    take_shots(sys.argv[1:])
