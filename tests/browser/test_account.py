"""Signing in, and what people change about their own account, with scripts and without."""

import re
from collections.abc import Callable, Iterator
from itertools import count

import pytest
from playwright.sync_api import Page, expect

from tests.browser.chromium import Watch
from tests.browser.conftest import PageMaker
from tests.browser.server import Server
from tests.browser.stage import sign_in
from tests.browser.states import make_key

WAYS = pytest.mark.parametrize("javascript", [True, False], ids=["scripts", "no scripts"])
HOSTILE = "<img src=x onerror=alert(1)>\"'&amp;"

_numbers = count(1)

GuestMaker = Callable[..., Page]


@pytest.fixture
def guest_email(server: Server) -> Iterator[str]:
    """Somebody with an account that is the test's own."""
    email = f"guest{next(_numbers)}@example.com"
    server.command("user", "create", "--email", email, "--password", server.password)
    yield email
    server.command("user", "delete", email, "--yes")


@pytest.fixture
def new_guest_page(new_page: PageMaker, server: Server, guest_email: str) -> GuestMaker:
    """Makes pages on which that person is signed in, each in a browser of its own."""

    def make(*, javascript: bool = True) -> Page:
        page = new_page(javascript=javascript)
        sign_in(page, server, email=guest_email)
        page.goto("/account")
        return page

    return make


@WAYS
def test_signing_in_leads_to_where_one_wanted(new_page: PageMaker, server: Server, javascript: bool) -> None:
    page = new_page(javascript=javascript)
    page.goto("/account/keys")
    expect(page).to_have_url(f"{server.url}/login?next=/account/keys")
    page.get_by_label("Email").fill(server.owner)
    page.get_by_label("Password").fill("wrong")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("alert")).to_have_text("Wrong email or password.")
    expect(page.get_by_label("Email")).to_have_value(server.owner)
    expect(page.get_by_label("Password")).to_have_value("")
    page.get_by_label("Password").fill(server.password)
    page.get_by_role("button", name="Sign in").click()
    expect(page).to_have_url(f"{server.url}/account/keys")


@WAYS
def test_signing_out_ends_the_session(
    new_guest_page: GuestMaker, server: Server, guest_email: str, javascript: bool
) -> None:
    page = new_guest_page(javascript=javascript)
    page.get_by_role("button", name="Sign out").click()
    expect(page).to_have_url(f"{server.url}/login")
    # Whoever sits down here next finds nothing in the browser's cache.
    page.go_back()
    expect(page.get_by_role("button", name="Sign in")).to_be_visible()
    expect(page.get_by_text(guest_email)).to_have_count(0)
    page.goto("/account")
    expect(page).to_have_url(f"{server.url}/login?next=/account")


@WAYS
def test_the_name(new_guest_page: GuestMaker, javascript: bool) -> None:
    page = new_guest_page(javascript=javascript)
    page.evaluate("window.untouched = true")
    name = page.get_by_label("Name", exact=True)
    name.fill(" ")
    page.get_by_role("button", name="Save name").click()
    expect(page.locator("#name-error")).to_have_text("Must have 1 to 255 characters")
    expect(name).to_have_attribute("aria-describedby", "name-error")
    expect(name).to_be_focused() if javascript else None
    name.fill(HOSTILE)
    page.get_by_role("button", name="Save name").click()
    expect(page.get_by_role("status")).to_contain_text("Name saved")
    expect(page.locator("#name-error")).to_have_count(0)
    expect(name).to_have_value(HOSTILE)
    # With scripts nothing but the part was changed.
    assert page.evaluate("window.untouched === true") == javascript
    page.reload()
    expect(name).to_have_value(HOSTILE)


@WAYS
def test_the_password(new_guest_page: GuestMaker, server: Server, guest_email: str, javascript: bool) -> None:
    elsewhere, page = new_guest_page(), new_guest_page(javascript=javascript)
    page.get_by_label("Current password").fill("wrong")
    page.get_by_label("New password").fill("another long one")
    page.get_by_role("button", name="Change password").click()
    expect(page.locator("#current_password-error")).to_have_text("This is not your password")
    page.get_by_label("Current password").fill(server.password)
    page.get_by_label("New password").fill("another long one")
    page.get_by_role("button", name="Change password").click()
    expect(page.get_by_role("status")).to_contain_text("Password changed")
    page.goto("/account/sessions")
    expect(page.get_by_role("row")).to_have_count(2)
    elsewhere.get_by_label("Name", exact=True).fill("Too late")
    elsewhere.get_by_role("button", name="Save name").click()
    elsewhere.wait_for_url("**/login?next=/account")
    page.context.clear_cookies()
    sign_in(page, server, email=guest_email, password="another long one")


@WAYS
def test_ending_sessions(new_guest_page: GuestMaker, server: Server, javascript: bool) -> None:
    others, page = [new_guest_page(), new_guest_page()], new_guest_page(javascript=javascript)
    page.goto("/account/sessions")
    rows = page.get_by_role("row").filter(has=page.get_by_role("button"))
    expect(rows).to_have_count(3)
    rows.filter(has_not_text="This one").first.get_by_role("button").click()
    expect(page.get_by_role("status")).to_contain_text("Browser signed out")
    expect(rows).to_have_count(2)
    page.get_by_role("button", name="Sign out every other browser").click()
    expect(rows).to_have_count(1)
    for other in others:
        other.goto("/account")
        expect(other).to_have_url(f"{server.url}/login?next=/account")
    rows.get_by_role("button").click()
    expect(page).to_have_url(f"{server.url}/login")


@WAYS
def test_keys(new_guest_page: GuestMaker, server: Server, javascript: bool) -> None:
    page = new_guest_page(javascript=javascript)
    page.goto("/account/keys")
    expect(page.get_by_role("heading", name="No keys yet")).to_be_visible()
    make_key(page)
    token = page.locator("#new-key").input_value()
    asked = page.request.get("/api/account/keys", headers={"Authorization": f"Bearer {token}"})
    assert asked.status == 200
    page.goto("/account/keys")
    expect(page.locator("#new-key")).to_have_count(0)
    assert token not in page.content()
    page.get_by_role("button", name="Revoke").click()
    if not javascript:
        expect(page).to_have_url(re.compile("/revoke$"))
    page.get_by_role("button", name="Revoke key").click()
    expect(page.get_by_role("status")).to_contain_text("Key revoked")
    expect(page.get_by_role("row").nth(1)).to_contain_text("Revoked")
    asked = page.request.get("/api/account/keys", headers={"Authorization": f"Bearer {token}"})
    assert asked.status == 401


@WAYS
def test_a_key_that_may_do_less(new_guest_page: GuestMaker, javascript: bool) -> None:
    page = new_guest_page(javascript=javascript)
    page.goto("/account/keys")
    expect(page.get_by_label("Read statistics")).to_be_hidden()
    page.get_by_label("Only what is ticked").check()
    page.get_by_label("Name", exact=True).fill("Reader")
    page.get_by_role("button", name="Make key").click()
    expect(page.locator("#scopes-error")).to_be_visible()
    page.get_by_label("Read statistics").check()
    page.get_by_label("Ends").select_option("In 30 days")
    page.get_by_role("button", name="Make key").click()
    expect(page.get_by_role("row").nth(1)).to_contain_text("Read statistics")


def test_a_key_is_copied(new_guest_page: GuestMaker, server: Server) -> None:
    page = new_guest_page()
    page.context.grant_permissions(["clipboard-read", "clipboard-write"], origin=server.url)
    page.goto("/account/keys")
    make_key(page)
    page.get_by_role("button", name="Copy").click()
    expect(page.get_by_role("status")).to_contain_text("Copied")
    assert page.evaluate("navigator.clipboard.readText()") == page.locator("#new-key").input_value()


def test_a_revocation_can_be_thought_better_of(new_guest_page: GuestMaker) -> None:
    page = new_guest_page()
    page.goto("/account/keys")
    make_key(page)
    dialog = page.get_by_role("dialog")
    for leave in (
        lambda: page.keyboard.press("Escape"),
        lambda: page.get_by_role("button", name="Cancel").click(),
        lambda: page.mouse.click(5, 5),
    ):
        page.get_by_role("button", name="Revoke").click()
        expect(dialog).to_be_visible()
        leave()
        expect(dialog).to_be_hidden()
        expect(page.get_by_role("button", name="Revoke")).to_be_focused()


def test_with_the_keyboard_alone(page: Page, server: Server) -> None:
    page.goto("/login?next=/account")
    expect(page.get_by_label("Email")).to_be_focused()
    page.keyboard.type(server.owner)
    page.keyboard.press("Tab")
    page.keyboard.type(server.password)
    page.keyboard.press("Enter")
    page.wait_for_url(f"{server.url}/account")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to content")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("main")).to_be_focused()
    for _ in range(4):
        page.keyboard.press("Tab")
    expect(page.get_by_label("Name", exact=True)).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("status")).to_contain_text("Name saved")
    expect(page.get_by_label("Name", exact=True)).to_be_focused()


def test_two_tabs_with_the_same_form(new_guest_page: GuestMaker) -> None:
    page = new_guest_page()
    other = page.context.new_page()
    other.goto("/account")
    for tab, name in ((page, "First"), (other, "Second")):
        tab.get_by_label("Name", exact=True).fill(name)
        tab.get_by_role("button", name="Save name").click()
        expect(tab.get_by_role("status")).to_contain_text("Name saved")
    page.reload()
    expect(page.get_by_label("Name", exact=True)).to_have_value("Second")


def test_two_tabs_that_sign_in(new_page: PageMaker, server: Server) -> None:
    page = new_page()
    page.goto("/login")
    sign_in(page.context.new_page(), server)
    page.get_by_label("Email").fill(server.owner)
    page.get_by_label("Password").fill(server.password)
    page.get_by_role("button", name="Sign in").click()
    expect(page).to_have_url(f"{server.url}/sites")


def test_what_is_gone_is_said_and_the_page_stays(new_guest_page: GuestMaker, watch: Watch) -> None:
    new_guest_page()
    page = new_guest_page()
    other = page.context.new_page()
    watch.allow("status of 404")
    for tab in (page, other):
        tab.goto("/account/sessions")
    for tab in (page, other):
        row = tab.get_by_role("row").filter(has=tab.get_by_role("button")).filter(has_not_text="This one")
        row.get_by_role("button").click()
    expect(other.get_by_role("status")).to_contain_text("Session not found")
    expect(other.get_by_role("heading", name="Where you are signed in")).to_be_visible()
    expect(other.get_by_role("row")).to_have_count(3)


def test_back_and_forward(owner_page: Page) -> None:
    for path in ("/account", "/account/sessions", "/account/keys"):
        owner_page.goto(path)
    owner_page.go_back()
    expect(owner_page.get_by_role("heading", name="Where you are signed in")).to_be_visible()
    owner_page.go_forward()
    expect(owner_page.get_by_role("heading", name="Your keys")).to_be_visible()


@WAYS
def test_the_colours_stay_as_chosen(new_page: PageMaker, javascript: bool) -> None:
    page = new_page(javascript=javascript)
    page.goto("/login")
    light = _ground(page)
    page.get_by_role("button", name="Dark").click()
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    assert _ground(page) != light
    page.wait_for_load_state("networkidle")
    page.goto("/login?again")
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    expect(page.get_by_role("button", name="Dark")).to_have_attribute("aria-pressed", "true")


def test_a_server_that_is_away(new_guest_page: GuestMaker, watch: Watch) -> None:
    page = new_guest_page()
    page.route("**/account/name", lambda route: route.abort())
    watch.allow("ERR_FAILED")
    watch.allow("htmx:error")
    page.get_by_label("Name", exact=True).fill("Lost")
    page.get_by_role("button", name="Save name").click()
    expect(page.get_by_role("status")).to_contain_text("cannot be reached")
    expect(page.get_by_label("Name", exact=True)).to_have_value("Lost")
    page.get_by_role("button", name="Dismiss").click()
    expect(page.locator(".toast")).to_have_count(0)


def _ground(page: Page) -> str:
    return str(page.evaluate("getComputedStyle(document.body).backgroundColor"))
