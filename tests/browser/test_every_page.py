"""What holds for every page: nobody is shut out, nothing is fetched from elsewhere, and it is light."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Browser, Page

from tests.browser.chromium import Watch, find_violations
from tests.browser.conftest import PageMaker
from tests.browser.pages import PAGES, Shown
from tests.browser.server import Server
from tests.browser.stage import Stage
from tests.browser.weight import load_anew

# What a finger hits, in CSS pixels; links inside a text are as high as its lines.
LEAST_HEIGHT = 44
PageOpener = Callable[..., Page]


@pytest.fixture(params=PAGES, ids=str)
def shown(request: pytest.FixtureRequest) -> Shown:
    """Each of the pages."""
    page: Shown = request.param
    return page


@pytest.fixture
def server(stage: Stage, shown: Shown) -> Server:
    """The server that the page is on."""
    return stage.server(shown.kind)


@pytest.fixture
def open_page(new_page: PageMaker, server: Server, watch: Watch, shown: Shown) -> PageOpener:
    """Opens the page, and brings it into its state."""
    if shown.status >= 400:
        watch.allow(f"status of {shown.status}")

    def open_it(**options: object) -> Page:
        page = new_page(who=shown.who, **options)
        shown.open(page, server)
        return page

    return open_it


def test_it_shuts_nobody_out(open_page: PageOpener) -> None:
    # Colours that are still changing are no colours to judge.
    page = open_page(reduced_motion="reduce")
    for colours in ("light", "dark"):
        page.emulate_media(color_scheme=colours)
        assert find_violations(page) == [], colours
    page.set_viewport_size({"width": 360, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    assert _small_targets(page) == []


def test_it_is_light_and_shuts_out_everything_else(
    open_page: PageOpener, browser: Browser, shown: Shown
) -> None:
    page = open_page()
    assert 0 < load_anew(browser, page).kilobytes <= shown.most_kilobytes
    answer = page.goto(page.url)
    assert answer is not None
    policy = answer.headers["content-security-policy"].split("; ")
    assert policy[0] == "default-src 'none'"
    assert "frame-ancestors 'none'" in policy
    assert "base-uri 'none'" in policy
    assert not any("unsafe" in directive or "*" in directive for directive in policy)
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"] == "same-origin"
    assert answer.headers["x-frame-options"] == "DENY"
    assert "permissions-policy" in answer.headers


def _small_targets(page: Page) -> list[str]:
    """Buttons, and links that look like them, that a finger would miss."""
    found: list[str] = page.evaluate(
        """least => [...document.querySelectorAll("button, .button, nav a, input:not([type=hidden]), select")]
          .filter(each => each.checkVisibility())
          .map(each => each.matches("[type=checkbox], [type=radio]") ? each.closest("label, .switch") : each)
          .filter(each => each.getBoundingClientRect().height < least)
          .map(each => each.outerHTML)""",
        LEAST_HEIGHT,
    )
    return found
