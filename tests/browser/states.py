"""What is done on pages before they are looked at: forms that are refused, keys that are made, dialogs."""

import json
import re
from collections.abc import Callable
from uuid import uuid4

from playwright.sync_api import Locator, Page

FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"

Preparation = Callable[[Page], None]

# As many as a page of the inspector shows, each as long as what is kept of a request.
_REFUSED = 30
_REQUEST_BYTES = 4096


def refused(button: str, error: str, **fields: str) -> Preparation:
    """A form that comes back: its fields by their labels, the button, and where the error stands."""

    def prepare(page: Page) -> None:
        for label, text in fields.items():
            label = label.replace("_", " ")
            page.get_by_label(label, exact=True).and_(page.locator("input, textarea")).fill(text)
        page.get_by_role("button", name=button, exact=True).click()
        page.locator(error).first.wait_for()

    return prepare


def asked(button: str, *before: Preparation) -> Preparation:
    """The dialog that a button opens."""

    def prepare(page: Page) -> None:
        for each in before:
            each(page)
        page.get_by_role("button", name=button, exact=True).first.click()
        page.get_by_role("dialog").wait_for()

    return prepare


def asked_on_a_page(button: str, *before: Preparation) -> Preparation:
    """The page with the same question, where that button leads without scripts."""

    def prepare(page: Page) -> None:
        for each in before:
            each(page)
        address = page.get_by_role("button", name=button, exact=True).first.get_attribute("href")
        assert address is not None
        page.goto(address)

    return prepare


def make_key(page: Page) -> None:
    """Make a key with the form on the page of keys."""
    page.get_by_label("Name").fill("Backup script")
    page.get_by_role("button", name="Make key").click()
    page.locator("#new-key").wait_for()


def invite(page: Page) -> None:
    """Make an invitation with the form on the page of invitations."""
    page.get_by_label("Email (optional)").fill("zoe@example.com")
    page.get_by_role("button", name="Make link").click()
    page.locator("#new-invitation").wait_for()


def ask_for_a_reset(page: Page) -> None:
    """Ask for a link by mail."""
    page.get_by_label("Email").fill("somebody@example.com")
    page.get_by_role("button", name="Send a link").click()
    page.get_by_text("is on its way").wait_for()


def ask_for_retention(page: Page) -> None:
    """Type a number of days, and be asked whether what is older may go."""
    page.get_by_label("Days that events are kept").fill("30")
    page.get_by_role("button", name="Change", exact=True).click()
    page.locator("#retention-confirm").wait_for()


def exclude_and_try(page: Page) -> None:
    """Exclude a range and a country, and try the rules."""
    if not page.get_by_role("button", name="Remove 192.0.2.0/24").count():
        form = page.get_by_role("form", name="Exclude addresses")
        form.get_by_role("textbox", name="Addresses and ranges").fill("192.0.2.0/24")
        form.get_by_label("Note").fill("Office")
        form.get_by_role("button", name="Exclude addresses").click()
        page.get_by_role("button", name="Remove 192.0.2.0/24").wait_for()
        form = page.get_by_role("form", name="Exclude a country")
        form.get_by_label("Country").fill("Germany (DE)")
        form.get_by_label("Note").fill("No customers there")
        form.get_by_role("button", name="Exclude country").click()
        page.get_by_role("button", name="Remove Germany").wait_for()
    form = page.get_by_role("form", name="Try the rules")
    form.get_by_label("Address").fill("192.0.2.7")
    form.get_by_role("button", name="Try").click()
    page.get_by_text("It would not be stored").wait_for()


def have_a_private_key(page: Page) -> None:
    """Make a private key, if there is none."""
    make = page.get_by_role("button", name="Generate a private key")
    if make.count():
        make.click()
    page.locator("#link-key").wait_for()


def make_install_key(page: Page) -> None:
    """Make a key on the page that explains how to send events."""
    page.get_by_role("button", name="Make a key").click()
    page.get_by_text("is shown this once").wait_for()


def send_the_first_event(page: Page) -> None:
    """Make a site on the page for new ones, and send the first event to it."""
    page.get_by_label("Name").fill("Shop")
    page.get_by_label("Domain").fill(f"shop-{uuid4().hex[:8]}.example.com")
    page.get_by_role("button", name="Make site").click()
    make_install_key(page)
    command = page.locator("#command").inner_text()
    key, site_id = re.search("rb_[0-9a-f]{32}", command), re.search('"site_id": "([0-9]+)"', command)
    assert key and site_id
    event = {"api_key": key[0], "site_id": site_id[1], "pathname": "/"}
    assert page.request.post("/api/track", data=event).json() == {"success": True}
    page.get_by_text("Events are arriving").wait_for()


def send_event(page: Page, *, headers: dict[str, str] | None = None, **fields: object) -> int:
    """Send an event to the site of the page's address, as a page of that site does; answers the status."""
    site = page.url.split("/sites/")[1].split("/")[0]
    shown = {"User-Agent": FIREFOX, "Origin": "https://example.com", **(headers or {})}
    body = {"site_id": site, "type": "pageview", "pathname": "/", **fields}
    return page.request.post("/api/track", data=body, headers=shown).status


def send_events_of_every_outcome(page: Page) -> None:
    """Let events come while the page is open, and wait for the newest."""
    send_event(page, pathname="/pricing")
    send_event(page, type="custom_event", event_name="Sign-up finished", pathname="/welcome")
    send_event(page, pathname="/robots.txt", headers={"User-Agent": "Googlebot/2.1"})
    send_event(page, pathname="/blog", headers={"Origin": "https://foreign.example"})
    send_event(page, pathname="/docs/a-rather-long-path/" + "and-longer-still/" * 12)
    send_event(page, pathname="/checkout", headers={"Authorization": "Bearer wrong"})
    page.reload()


def open_a_refused_event(page: Page) -> None:
    """Let events come, and open a refused one."""
    send_events_of_every_outcome(page)
    page.locator(".entries > li").filter(has_text="Wrong key").first.locator("summary").click()
    page.get_by_text("keys masked").first.wait_for()


def send_refused_events(page: Page) -> None:
    """Let so many long events be refused that the page shows nothing else."""
    properties = json.dumps({f"<name {number}>": "&" * 10 for number in range(200)})[:_REQUEST_BYTES]
    for number in range(_REFUSED):
        send_event(
            page, pathname=f"/refused/{number}", page_title="x" * 600, type="click", properties=properties
        )
    page.reload()
    assert page.locator("#entries > li").count() == _REFUSED


def go_to_a_long_request(page: Page) -> None:
    """Follow the link to a request that the page has no room for."""
    send_refused_events(page)
    page.locator("#entries > li").last.locator("summary").click()
    page.get_by_role("link", name="show it").last.click()
    page.get_by_role("heading", name="What came of an event").wait_for()


def tab_to(page: Page, wanted: Locator) -> None:
    """Press Tab until the focus is there."""
    for _ in range(60):
        page.keyboard.press("Tab")
        if wanted.evaluate("each => each === document.activeElement"):
            return
    raise AssertionError("the keyboard does not get there")
