"""What holds for every page: nobody is shut out, nothing is fetched from elsewhere, and it is light."""

import pytest
from playwright.sync_api import Page

from tests.browser.chromium import Watch, find_violations
from tests.browser.conftest import PageMaker
from tests.browser.pages import PAGES, Shown
from tests.browser.server import Server

# What a finger hits, in CSS pixels; links inside a text are as high as its lines.
LEAST_HEIGHT = 44
EVERY = pytest.mark.parametrize("shown", PAGES, ids=str)


@pytest.fixture(autouse=True)
def _expect_refusals(watch: Watch, shown: Shown) -> None:
    if shown.status >= 400:
        watch.allow(f"status of {shown.status}")


@EVERY
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_axe_finds_nothing_serious(new_page: PageMaker, server: Server, shown: Shown, dark: bool) -> None:
    page = new_page(signed_in=shown.signed_in, dark=dark)
    shown.open(page, server)
    assert find_violations(page) == []


@EVERY
def test_it_fits_a_phone(new_page: PageMaker, server: Server, shown: Shown) -> None:
    page = new_page(signed_in=shown.signed_in, width=360)
    shown.open(page, server)
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    assert _small_targets(page) == []


@EVERY
def test_it_weighs_little(new_page: PageMaker, server: Server, shown: Shown) -> None:
    page = new_page(signed_in=shown.signed_in)
    sizes: list[int] = []
    page.on("requestfinished", lambda request: sizes.append(sum(request.sizes().values())))
    shown.open(page, server)
    # Only what comes before anything is done on the page.
    assert 0 < sum(sizes[:6]) <= shown.most_kilobytes * 1024


@EVERY
def test_its_headers_shut_out_everything_else(new_page: PageMaker, server: Server, shown: Shown) -> None:
    page = new_page(signed_in=shown.signed_in)
    answer = page.goto(shown.path.format(site=server.site_id))
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
