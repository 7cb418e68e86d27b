"""The settings of a site: what is saved and copied, what is swapped, and what the keyboard alone can do."""

import re
from collections.abc import Callable
from itertools import count

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import PageMaker
from tests.browser.own_site import OwnSite
from tests.browser.server import Server
from tests.browser.states import make_key, tab_to

WAYS = pytest.mark.parametrize("javascript", [True, False], ids=["scripts", "no scripts"])
SWITCHES = [
    *("Leave out bots", "First page of a visit", "Pages changed by scripts", "Query strings"),
    *("Clicks to other sites", "Web vitals", "JavaScript errors", "Session replay", "Addresses"),
]
_numbers = count(1)


def _rename(page: Page) -> None:
    page.get_by_label("Name").fill("Renamed")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("status").filter(has_text="Settings saved")).to_be_visible()


def _switch(page: Page) -> None:
    page.get_by_role("switch", name="Web vitals").check()
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("status").filter(has_text="Tracking saved")).to_be_visible()


def _exclude(page: Page) -> None:
    form = page.get_by_role("form", name="Exclude addresses")
    form.get_by_role("textbox", name="Addresses and ranges").fill("192.0.2.7")
    form.get_by_role("button", name="Exclude addresses").click()
    expect(page.get_by_role("status").filter(has_text="One more is excluded")).to_be_visible()


def _exclude_a_country(page: Page) -> None:
    form = page.get_by_role("form", name="Exclude a country")
    form.get_by_label("Country").fill("Germany (DE)")
    form.get_by_role("button", name="Exclude country").click()
    expect(page.get_by_role("status").filter(has_text="Germany is excluded")).to_be_visible()


def _publish(page: Page) -> None:
    page.get_by_role("switch", name="Public statistics").check()
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("status").filter(has_text="The statistics are public")).to_be_visible()


def _share(page: Page) -> None:
    page.get_by_role("button", name="Generate a private key").click()
    expect(page.get_by_role("status").filter(has_text="Private key made")).to_be_visible()


# By tab: what is done, what is swapped by it, and what stands beside that.
SWAPS = [
    ("general", _rename, "#general-part", "#delete-title"),
    ("tracking", _switch, "#tracking-part", "nav.tabs"),
    ("exclusions", _exclude, "#addresses-part", "#countries-part"),
    ("exclusions", _exclude_a_country, "#countries-part", "#addresses-part"),
    ("keys", make_key, "#keys-part", "nav.tabs"),
    ("sharing", _publish, "#public-part", "#link-part"),
    ("sharing", _share, "#link-part", "#public-part"),
]


@pytest.mark.parametrize(("tab", "change", "part", "beside"), SWAPS)
def test_only_what_changes_is_swapped(
    owner_page: Page, site: OwnSite, tab: str, change: Callable[[Page], None], part: str, beside: str
) -> None:
    owner_page.goto(site.path(tab))
    owner_page.evaluate(
        "parts => parts.forEach(part => document.querySelector(part).seen = true)", [part, beside]
    )
    requests: list[str] = []
    owner_page.on("request", lambda request: requests.append(f"{request.method} {request.resource_type}"))
    change(owner_page)
    # The icon of the page may be fetched late.
    assert [each for each in requests if each != "GET other"] == ["POST fetch"]
    seen = "part => document.querySelector(part).seen === true"
    assert owner_page.evaluate(seen, beside)
    assert not owner_page.evaluate(seen, part)
    expect(owner_page).to_have_url(re.compile(f"{site.path(tab)}$"))


@WAYS
def test_all_switches(new_page: PageMaker, site: OwnSite, javascript: bool) -> None:
    page = new_page(who="owner", javascript=javascript)
    page.goto(site.path("tracking"))
    before = [page.get_by_role("switch", name=name).is_checked() for name in SWITCHES]
    for name, was_on in zip(SWITCHES, before, strict=True):
        page.get_by_role("switch", name=name).set_checked(not was_on)
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("status")).to_contain_text("Tracking saved")
    page.reload()
    after = [page.get_by_role("switch", name=name).is_checked() for name in SWITCHES]
    assert after == [not was_on for was_on in before]


@WAYS
def test_the_domain(new_page: PageMaker, site: OwnSite, javascript: bool) -> None:
    page = new_page(who="owner", javascript=javascript)
    page.goto(site.path("general"))
    page.get_by_label("Domain").fill(f"moved.{site.domain}")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("status")).to_contain_text("Settings saved")
    expect(page.locator("#site-title")).to_contain_text(f"moved.{site.domain}")
    page.reload()
    expect(page.get_by_label("Domain")).to_have_value(f"moved.{site.domain}")


@WAYS
def test_ones_own_address_with_a_note(new_page: PageMaker, site: OwnSite, javascript: bool) -> None:
    page = new_page(who="owner", javascript=javascript)
    page.goto(site.path("exclusions"))
    form = page.get_by_role("form", name="Your address")
    form.get_by_label("Note").fill("At home <b>")
    form.get_by_role("button", name="Exclude my address").click()
    row = page.get_by_role("row").filter(has_text="127.0.0.1")
    expect(row).to_contain_text("At home <b>")
    expect(row).to_contain_text("owner@example.com")


def test_a_key_and_the_private_key_are_copied(owner_page: Page, site: OwnSite, server: Server) -> None:
    owner_page.context.grant_permissions(["clipboard-read", "clipboard-write"], origin=server.url)
    owner_page.goto(site.path("keys"))
    make_key(owner_page)
    _copy(owner_page, "#new-key", r"rb_[0-9a-f]{32}")
    owner_page.goto(site.path("sharing"))
    _share(owner_page)
    _copy(owner_page, "#link-key", r"\w{12}")


def _copy(page: Page, field: str, form: str) -> None:
    page.get_by_role("button", name="Copy").click()
    expect(page.get_by_role("status").filter(has_text="Copied")).to_be_visible()
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied == page.locator(field).input_value()
    assert re.fullmatch(form, copied)


class TestByKeyboardAlone:
    """Nothing is clicked, and nothing is focused but by Tab."""

    def test_a_new_site(self, owner_page: Page) -> None:
        owner_page.goto("/sites")
        tab_to(owner_page, owner_page.get_by_role("link", name="New site"))
        owner_page.keyboard.press("Enter")
        owner_page.wait_for_url("**/sites/new")
        tab_to(owner_page, owner_page.get_by_label("Name"))
        owner_page.keyboard.type("Typed")
        owner_page.keyboard.press("Tab")
        owner_page.keyboard.type("nonsense")
        owner_page.keyboard.press("Enter")
        domain = owner_page.get_by_label("Domain")
        expect(owner_page.locator("#domain-error")).to_be_visible()
        # The focus goes to what is wrong.
        expect(domain).to_be_focused()
        owner_page.keyboard.press("ControlOrMeta+a")
        owner_page.keyboard.type(f"typed{next(_numbers)}.example.com")
        tab_to(owner_page, owner_page.get_by_role("button", name="Make site"))
        owner_page.keyboard.press("Enter")
        owner_page.wait_for_url("**/install")
        expect(owner_page.get_by_role("heading", level=1)).to_have_text("Send events of Typed")

    def test_exclusions(self, owner_page: Page, site: OwnSite) -> None:
        owner_page.goto(site.path("exclusions"))
        form = owner_page.get_by_role("form", name="Exclude addresses")
        tab_to(owner_page, form.get_by_role("textbox", name="Addresses and ranges"))
        owner_page.keyboard.type("192.0.2.7")
        owner_page.keyboard.press("Enter")
        owner_page.keyboard.type("198.51.100.0/24")
        owner_page.keyboard.press("Tab")
        owner_page.keyboard.type("Office")
        owner_page.keyboard.press("Enter")
        expect(owner_page.get_by_role("row").filter(has_text="Office")).to_have_count(2)
        tab_to(owner_page, owner_page.get_by_role("button", name="Remove 192.0.2.7"))
        owner_page.keyboard.press("Enter")
        expect(owner_page.get_by_role("row").filter(has_text="Office")).to_have_count(1)
        tab_to(owner_page, owner_page.get_by_role("form", name="Exclude a country").get_by_label("Country"))
        owner_page.keyboard.type("Germany (DE)")
        owner_page.keyboard.press("Enter")
        expect(owner_page.get_by_role("row").filter(has_text="Germany")).to_be_visible()
        tab_to(owner_page, owner_page.get_by_role("form", name="Try the rules").get_by_label("Address"))
        owner_page.keyboard.type("198.51.100.9")
        owner_page.keyboard.press("Enter")
        expect(owner_page.get_by_text("It would not be stored")).to_be_visible()

    def test_sharing(self, owner_page: Page, site: OwnSite) -> None:
        owner_page.goto(site.path("sharing"))
        tab_to(owner_page, owner_page.get_by_role("switch", name="Public statistics"))
        owner_page.keyboard.press("Space")
        tab_to(owner_page, owner_page.get_by_role("button", name="Save"))
        owner_page.keyboard.press("Enter")
        expect(owner_page.get_by_role("status")).to_contain_text("The statistics are public")
        tab_to(owner_page, owner_page.get_by_role("button", name="Generate a private key"))
        owner_page.keyboard.press("Enter")
        key = owner_page.locator("#link-key")
        expect(key).to_have_value(re.compile(r"^\w{12}$"))
        first = key.input_value()
        tab_to(owner_page, owner_page.get_by_role("button", name="Generate another"))
        owner_page.keyboard.press("Enter")
        dialog = owner_page.get_by_role("dialog")
        expect(dialog).to_be_visible()
        owner_page.keyboard.press("Escape")
        expect(dialog).to_be_hidden()
        expect(owner_page.get_by_role("button", name="Generate another")).to_be_focused()
        owner_page.keyboard.press("Enter")
        tab_to(owner_page, owner_page.get_by_role("button", name="Replace key"))
        owner_page.keyboard.press("Enter")
        expect(key).not_to_have_value(first)
        tab_to(owner_page, owner_page.get_by_role("button", name="Revoke", exact=True))
        owner_page.keyboard.press("Space")
        tab_to(owner_page, owner_page.get_by_role("button", name="Revoke key"))
        owner_page.keyboard.press("Enter")
        expect(owner_page.get_by_role("button", name="Generate a private key")).to_be_visible()
