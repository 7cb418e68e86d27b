"""Every page, for the tests that hold for all of them and for `shots.py`. A new page is a line here."""

from collections.abc import Callable
from dataclasses import dataclass

from playwright.sync_api import Page

from tests.browser.server import Server

Preparation = Callable[[Page], None]


@dataclass(frozen=True)
class Shown:
    """A page in some state; `{site}` in its path stands for the site of the server."""

    name: str
    path: str
    signed_in: bool = True
    prepare: Preparation | None = None
    status: int = 200
    most_kilobytes: int = 120  # over the wire, with scripts and styles
    whole: bool = True  # whether a picture shows what is below the window

    def __str__(self) -> str:
        return self.name

    def open(self, page: Page, server: Server) -> None:
        """Go there, and bring it into its state."""
        answer = page.goto(self.path.format(site=server.site_id))
        assert answer is not None
        assert answer.status == self.status
        if self.prepare is not None:
            self.prepare(page)
        page.wait_for_load_state("networkidle")


def _refused_sign_in(page: Page) -> None:
    page.get_by_label("Email").fill("somebody@example.com")
    page.get_by_label("Password").fill("wrong")
    page.get_by_role("button", name="Sign in").click()
    page.get_by_text("Wrong email or password").wait_for()


def _refused_password(page: Page) -> None:
    page.get_by_label("New password").fill("short")
    page.get_by_role("button", name="Change password").click()
    page.locator("#new_password-error").wait_for()


def make_key(page: Page) -> None:
    """Make a key with the form on the page of keys."""
    page.get_by_label("Name").fill("Backup script")
    page.get_by_role("button", name="Make key").click()
    page.locator("#new-key").wait_for()


def _asked_to_revoke(page: Page) -> None:
    make_key(page)
    page.get_by_role("button", name="Revoke").first.click()
    page.get_by_role("dialog").wait_for()


def send_event(page: Page, *, headers: dict[str, str] | None = None, **fields: object) -> int:
    """Send an event to the site of the page's address, as a page of that site does; answers the status."""
    site = page.url.split("/sites/")[1].split("/")[0]
    shown = {"User-Agent": FIREFOX, "Origin": "https://example.com", **(headers or {})}
    body = {"site_id": site, "type": "pageview", "pathname": "/", **fields}
    return page.request.post("/api/track", data=body, headers=shown).status


def _reached(page: Page) -> None:
    """Events of every outcome, one of them opened."""
    send_event(page, pathname="/pricing")
    send_event(page, type="custom_event", event_name="Sign-up finished", pathname="/welcome")
    send_event(page, pathname="/robots.txt", headers={"User-Agent": "Googlebot/2.1"})
    send_event(page, pathname="/blog", headers={"Origin": "https://foreign.example"})
    send_event(page, pathname="/docs/a-rather-long-path/" + "and-longer-still/" * 12)
    send_event(page, pathname="/checkout", headers={"Authorization": "Bearer wrong"})
    page.locator(".entries > li").filter(has_text="Wrong key").first.locator("summary").click()
    page.get_by_text("keys masked").first.wait_for()


FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"

PAGES = [
    Shown("sign-in", "/login", signed_in=False),
    Shown("sign-in-refused", "/login", signed_in=False, prepare=_refused_sign_in),
    Shown("account", "/account"),
    Shown("account-refused", "/account", prepare=_refused_password),
    Shown("sessions", "/account/sessions"),
    Shown("keys", "/account/keys"),
    Shown("keys-made", "/account/keys", prepare=make_key),
    Shown("keys-revoke", "/account/keys", prepare=_asked_to_revoke, whole=False),
    Shown("inspector-empty", "/sites/{site}/inspector"),
    Shown("inspector", "/sites/{site}/inspector", prepare=_reached),
    Shown("not-found", "/nothing-here", status=404),
    Shown("api", "/docs/api", signed_in=False, most_kilobytes=200),
]
