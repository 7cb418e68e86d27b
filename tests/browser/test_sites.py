"""Sites and their settings in a browser: with scripts and without, by keyboard, in two tabs, read only."""

import json
import re
from collections.abc import Iterator
from itertools import count
from urllib.request import Request, urlopen

import pytest
from playwright.sync_api import Page, expect

from tests.browser.chromium import Watch
from tests.browser.conftest import PageMaker
from tests.browser.own_site import OwnSite
from tests.browser.server import Server
from tests.browser.stage import sign_in
from tests.browser.states import tab_to

WAYS = pytest.mark.parametrize("javascript", [True, False], ids=["scripts", "no scripts"])
_numbers = count(1)
_KEY = re.compile(r"rb_[0-9a-f]{32}")


@pytest.fixture
def reader(server: Server, new_page: PageMaker) -> Iterator[Page]:
    """A page of a member, who may only read."""
    email = "looker@example.com"
    server.command("user", "create", "--email", email, "--password", server.password)
    server.command("org", "member", "add", email, "--org", server.organization_id)
    page = new_page()
    sign_in(page, server, email=email)
    yield page
    server.command("user", "delete", email, "--yes")


def _send_event(server: Server, command: str) -> None:
    """Do what the shown command does."""
    address = re.search(r"http://\S+/api/track", command)
    key, body = _KEY.search(command), re.search(r"-d '([^']+)'", command)
    assert address and key and body
    headers = {"Authorization": f"Bearer {key[0]}", "Content-Type": "application/json"}
    with urlopen(Request(address[0], body[1].encode(), headers), timeout=10) as answer:
        assert json.load(answer) == {"success": True}


@WAYS
def test_from_a_new_site_to_the_first_event(new_page: PageMaker, server: Server, javascript: bool) -> None:
    page = new_page(who="owner", javascript=javascript)
    page.goto("/")
    expect(page).to_have_url(f"{server.url}/sites")
    page.get_by_role("link", name="New site").click()
    page.get_by_label("Name").fill("Shop <b>")
    page.get_by_label("Domain").fill("nonsense")
    page.get_by_role("button", name="Make site").click()
    expect(page.locator("#domain-error")).to_be_visible()
    page.get_by_label("Domain").fill(f"shop{next(_numbers)}.example.com")
    page.get_by_role("button", name="Make site").click()
    page.wait_for_url("**/install")
    expect(page.get_by_role("heading", level=1)).to_have_text("Send events of Shop <b>")
    expect(page.get_by_text("Waiting for the first event.")).to_be_visible()
    page.get_by_role("button", name="Make a key").click()
    expect(page.locator("#command")).to_contain_text(_KEY)
    _send_event(server, page.locator("#command").inner_text())
    if not javascript:
        page.get_by_role("link", name="Load it again").click()
    expect(page.get_by_text("Events are arriving.")).to_be_visible()
    page.get_by_role("link", name="the figures of your sites").click()
    row = page.get_by_role("row").filter(has_text="Shop <b>").first
    expect(row.get_by_role("cell").last).to_have_text("1")


def test_waiting_stops(new_page: PageMaker, site: OwnSite, server: Server) -> None:
    page = new_page(who="owner")
    page.goto(f"/sites/{site.site_id}/install")
    page.get_by_role("button", name="Make a key").click()
    expect(page.locator("#command")).to_contain_text(_KEY)
    with page.expect_response(lambda answer: answer.url.endswith("/status")) as waiting:
        pass
    assert waiting.value.status == 204
    _send_event(server, page.locator("#command").inner_text())
    expect(page.get_by_text("Events are arriving.")).to_be_visible()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.wait_for_timeout(2_500)
    assert asked == []


def test_waiting_for_a_server_that_is_away_says_so_once(
    new_page: PageMaker, site: OwnSite, watch: Watch
) -> None:
    watch.allow("ERR_FAILED")
    watch.allow("Failed to fetch")
    page = new_page(who="owner")
    page.goto(f"/sites/{site.site_id}/install")
    page.route("**/status", lambda route: route.abort())
    for _ in range(2):
        with page.expect_event("requestfailed"):
            pass
    expect(page.locator(".toast-error")).to_have_count(1)
    page.unroute("**/status")
    with page.expect_response(lambda answer: answer.url.endswith("/status")) as waiting:
        pass
    assert waiting.value.status == 204


@WAYS
def test_general(new_page: PageMaker, site: OwnSite, javascript: bool) -> None:
    page = new_page(who="owner", javascript=javascript)
    page.goto(site.path("general"))
    page.get_by_label("Name").fill("Renamed")
    page.get_by_role("switch", name="Salted visitor ids").check()
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("status")).to_contain_text("Settings saved")
    expect(page.get_by_role("heading", level=1)).to_have_text("Renamed")
    page.reload()
    expect(page.get_by_role("switch", name="Salted visitor ids")).to_be_checked()
    page.get_by_label("Domain").fill("example.com")
    page.get_by_role("button", name="Save").click()
    expect(page.locator("#domain-error")).to_have_text("Domain already in use")


@WAYS
def test_deleting(new_page: PageMaker, site: OwnSite, javascript: bool) -> None:
    page = new_page(who="owner", javascript=javascript)
    page.goto(site.path("general"))
    page.get_by_role("link", name="Delete this site").click()
    page.get_by_role("button", name="Delete for good").click()
    expect(page.locator("#typed_domain-error")).to_be_visible()
    page.get_by_label("Domain").fill(site.domain)
    page.get_by_role("button", name="Delete for good").click()
    page.wait_for_url("**/sites")
    expect(page.get_by_text("Own was deleted")).to_be_visible()
    expect(page.get_by_text(site.domain)).to_have_count(0)


def test_tracking_by_keyboard_alone(new_page: PageMaker, site: OwnSite) -> None:
    page = new_page(who="owner")
    page.goto(site.path("tracking"))
    tab_to(page, page.get_by_role("switch", name="Addresses"))
    page.keyboard.press("Space")
    tab_to(page, page.get_by_role("button", name="Save"))
    page.keyboard.press("Enter")
    expect(page.get_by_role("status")).to_contain_text("Tracking saved")
    # The focus stays where it was, in the part that is new.
    expect(page.get_by_role("button", name="Save")).to_be_focused()
    page.reload()
    expect(page.get_by_role("switch", name="Addresses")).to_be_checked()


@WAYS
def test_tracking(new_page: PageMaker, site: OwnSite, javascript: bool) -> None:
    page = new_page(who="owner", javascript=javascript)
    page.goto(site.path("tracking"))
    page.get_by_role("switch", name="Web vitals").check()
    page.get_by_role("switch", name="Leave out bots").uncheck()
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("status")).to_contain_text("Tracking saved")
    page.reload()
    expect(page.get_by_role("switch", name="Web vitals")).to_be_checked()
    expect(page.get_by_role("switch", name="Leave out bots")).not_to_be_checked()


@WAYS
def test_exclusions(new_page: PageMaker, site: OwnSite, javascript: bool) -> None:
    page = new_page(who="owner", javascript=javascript)
    page.goto(site.path("exclusions"))
    form = page.get_by_role("form", name="Exclude addresses")
    form.get_by_role("textbox", name="Addresses and ranges").fill("192.0.2.0/24\nnonsense\n2001:db8::/32")
    form.get_by_label("Note").fill("Office <i>")
    form.get_by_role("button", name="Exclude addresses").click()
    expect(page.get_by_role("list", name="Lines that cannot be read")).to_contain_text("Line 2: nonsense")
    box = form.get_by_role("textbox", name="Addresses and ranges")
    assert box.input_value().split() == ["192.0.2.0/24", "nonsense", "2001:db8::/32"]
    box.fill(box.input_value().replace("nonsense", "198.51.100.1-198.51.100.9"))
    form.get_by_role("button", name="Exclude addresses").click()
    expect(page.get_by_role("status").filter(has_text="3 more are excluded")).to_be_visible()
    row = page.get_by_role("row").filter(has_text="192.0.2.0/24")
    expect(row).to_contain_text("Office <i>")
    expect(row).to_contain_text("owner@example.com")
    page.get_by_role("button", name="Remove 2001:db8::/32").click()
    expect(page.get_by_role("row").filter(has_text="2001:db8::/32")).to_have_count(0)
    page.get_by_role("button", name="Exclude my address").click()
    expect(page.get_by_text("You are at 127.0.0.1, which is excluded.")).to_be_visible()


@WAYS
def test_countries_and_trying_the_rules(new_page: PageMaker, site: OwnSite, javascript: bool) -> None:
    page = new_page(who="owner", javascript=javascript)
    page.goto(site.path("exclusions"))
    form = page.get_by_role("form", name="Exclude a country")
    form.get_by_label("Country").fill("Nowhere")
    form.get_by_role("button", name="Exclude country").click()
    expect(page.locator("#country-error")).to_be_visible()
    form.get_by_label("Country").fill("Germany (DE)")
    form.get_by_role("button", name="Exclude country").click()
    expect(page.get_by_role("row").filter(has_text="Germany")).to_be_visible()
    form = page.get_by_role("form", name="Try the rules")
    form.get_by_label("Country").fill("Germany (DE)")
    form.get_by_role("button", name="Try").click()
    expect(page.get_by_text("It would not be stored: Germany is excluded.")).to_be_visible()
    form.get_by_label("Country").fill("France")
    form.get_by_role("button", name="Try").click()
    expect(page.get_by_text("It would be kept.")).to_be_visible()


@WAYS
def test_keys(new_page: PageMaker, site: OwnSite, javascript: bool) -> None:
    page = new_page(who="owner", javascript=javascript)
    page.goto(site.path("keys"))
    page.get_by_label("Name").fill("Backend")
    page.get_by_role("button", name="Make key").click()
    expect(page.get_by_role("textbox", name="New key")).to_have_value(_KEY)
    page.goto(site.path("keys"))
    expect(page.locator("#new-key")).to_have_count(0)
    page.get_by_role("button", name="Revoke").click()
    page.get_by_role("button", name="Revoke key").click()
    expect(page.get_by_role("row").filter(has_text="Backend")).to_contain_text("Revoked")
    expect(page.get_by_role("button", name="Revoke", exact=True)).to_have_count(0)


@WAYS
def test_sharing(new_page: PageMaker, site: OwnSite, javascript: bool) -> None:
    page = new_page(who="owner", javascript=javascript)
    page.goto(site.path("sharing"))
    page.get_by_role("switch", name="Public statistics").check()
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("status")).to_contain_text("The statistics are public")
    page.get_by_role("button", name="Generate a private key").click()
    key = page.locator("#link-key")
    expect(key).to_have_value(re.compile(r"^\w{12}$"))
    first = key.input_value()
    page.get_by_role("button", name="Generate another").click()
    page.get_by_role("button", name="Replace key").click()
    expect(key).not_to_have_value(first)
    page.get_by_role("button", name="Revoke", exact=True).click()
    page.get_by_role("button", name="Revoke key").click()
    expect(page.get_by_role("button", name="Generate a private key")).to_be_visible()


@WAYS
def test_two_tabs_on_one_form(new_page: PageMaker, site: OwnSite, javascript: bool) -> None:
    first = new_page(who="owner", javascript=javascript)
    second = first.context.new_page()
    for page in (first, second):
        page.goto(site.path("general"))
    first.get_by_label("Name").fill("First")
    first.get_by_role("switch", name="Public statistics").check()
    first.get_by_role("button", name="Save").click()
    expect(first.get_by_role("status")).to_contain_text("Settings saved")
    # What only the other one changed stays, although this form knows nothing of it.
    second.get_by_role("switch", name="Salted visitor ids").check()
    second.get_by_label("Name").fill("Second")
    second.get_by_role("button", name="Save").click()
    expect(second.locator("#name-error")).to_contain_text("Somebody changed this to “First” meanwhile")
    expect(second.get_by_role("switch", name="Public statistics")).to_be_checked()
    second.get_by_role("button", name="Save").click()
    expect(second.get_by_role("heading", level=1)).to_have_text("Second")
    first.reload()
    expect(first.get_by_role("switch", name="Public statistics")).to_be_checked()
    expect(first.get_by_role("switch", name="Salted visitor ids")).to_be_checked()


def test_back_and_forward(new_page: PageMaker, site: OwnSite) -> None:
    page = new_page(who="owner")
    page.goto(site.path("general"))
    page.get_by_role("link", name="Tracking").click()
    page.wait_for_url("**/settings/tracking")
    page.get_by_role("switch", name="Web vitals").check()
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("status")).to_contain_text("Tracking saved")
    page.go_back()
    expect(page).to_have_url(re.compile("/settings/general$"))
    expect(page.get_by_role("button", name="Save")).to_be_visible()
    page.go_forward()
    expect(page.get_by_role("switch", name="Web vitals")).to_be_checked()


def test_a_member_looks_and_changes_nothing(reader: Page, site: OwnSite, watch: Watch) -> None:
    reader.goto("/sites")
    expect(reader.get_by_role("link", name="New site")).to_have_count(0)
    for tab in ("general", "tracking", "exclusions", "keys", "sharing"):
        reader.goto(site.path(tab))
        main = reader.get_by_role("main")
        expect(main.get_by_text("Owners and admins of the organization change them.")).to_be_visible()
        assert [each for each in main.get_by_role("button").all_inner_texts() if each != "Try"] == []
        expect(main.get_by_role("switch")).to_have_count(0)
    watch.allow("status of 403")
    answer = reader.goto(site.path("general/delete"))
    assert answer is not None
    assert answer.status == 403
