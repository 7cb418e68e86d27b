"""Every page, for the tests that hold for all of them and for `shots.py`. A new page is a line here."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from uuid import uuid4

from playwright.sync_api import Page

from tests.browser.server import READER, Server

_LINKS = {
    # For somebody else than the owner, whose sessions would end with it.
    "reset": ("user", "reset", READER, "--show"),
    "invitation": ("org", "invite", "--org", "{organization}", "--show"),
}
Preparation = Callable[[Page], None]


@dataclass(frozen=True)
class Shown:
    """A page in some state.

    In its path `{site}` and `{organization}` stand for those of the server, `{reset}` and `{invitation}` for
    tokens of links that are made for it.
    """

    name: str
    path: str
    signed_in: bool = True
    prepare: Preparation | None = None
    status: int = 200
    most_kilobytes: int = 120  # over the wire, with scripts and styles
    whole: bool = True  # whether a picture shows what is below the window

    def __str__(self) -> str:
        return self.name

    def address(self, server: Server) -> str:
        """Its path on this server."""
        known = {"site": server.site_id, "organization": server.organization_id}
        links = {
            name: server.command(*(part.format(**known) for part in command)).strip().rpartition("/")[2]
            for name, command in _LINKS.items()
            if f"{{{name}}}" in self.path
        }
        return self.path.format(**known, **links)

    def open(self, page: Page, server: Server) -> None:
        """Go there, and bring it into its state."""
        answer = page.goto(self.address(server))
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


def _invite(page: Page) -> None:
    page.get_by_label("Email (optional)").fill("zoe@example.com")
    page.get_by_role("button", name="Make link").click()
    page.locator("#new-invitation").wait_for()


def _asked_to_remove(page: Page) -> None:
    page.get_by_role("button", name="Remove").first.click()
    page.get_by_role("dialog").wait_for()


def _refused_site(page: Page) -> None:
    page.get_by_label("Domain").fill("nonsense")
    page.get_by_role("button", name="Make site").click()
    page.locator("#domain-error").wait_for()


def _refused_lines(page: Page) -> None:
    page.get_by_role("textbox", name="Addresses and ranges").fill("192.0.2.7\nnonsense\n192.0.2.0/99")
    page.get_by_role("button", name="Exclude addresses").click()
    page.get_by_role("list", name="Lines that cannot be read").wait_for()


def _excluded(page: Page) -> None:
    form = page.get_by_role("form", name="Exclude addresses")
    form.get_by_role("textbox", name="Addresses and ranges").fill("192.0.2.0/24")
    form.get_by_label("Note").fill("Office")
    form.get_by_role("button", name="Exclude addresses").click()
    page.get_by_role("button", name="Remove 192.0.2.0/24").wait_for()
    form = page.get_by_role("form", name="Exclude a country")
    form.get_by_label("Country").fill("Germany (DE)")
    form.get_by_role("button", name="Exclude country").click()
    page.get_by_role("button", name="Remove Germany").wait_for()
    form = page.get_by_role("form", name="Try the rules")
    form.get_by_label("Address").fill("192.0.2.7")
    form.get_by_role("button", name="Try").click()
    page.get_by_text("It would not be stored").wait_for()


def _asked_to_revoke_a_sites_key(page: Page) -> None:
    make_key(page)
    page.get_by_role("button", name="Revoke").first.click()
    page.get_by_role("dialog").wait_for()


def _private_key(page: Page) -> None:
    make = page.get_by_role("button", name="Generate a private key")
    if make.count():
        make.click()
    page.locator("#link-key").wait_for()


def _refused_deletion(page: Page) -> None:
    page.get_by_role("button", name="Delete for good").click()
    page.locator("#typed_domain-error").wait_for()


def _made_install_key(page: Page) -> None:
    page.get_by_role("button", name="Make a key").click()
    page.get_by_text("is shown this once").wait_for()


def _first_event(page: Page) -> None:
    page.get_by_label("Name").fill("Shop")
    page.get_by_label("Domain").fill(f"shop-{uuid4().hex[:8]}.example.com")
    page.get_by_role("button", name="Make site").click()
    page.get_by_role("button", name="Make a key").click()
    page.get_by_text("is shown this once").wait_for()
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
    Shown("sites-new", "/sites/new"),
    Shown("sites-new-refused", "/sites/new", prepare=_refused_site),
    Shown("install", "/sites/{site}/install"),
    Shown("install-key", "/sites/{site}/install", prepare=_made_install_key),
    Shown("install-arrived", "/sites/new", prepare=_first_event),
    Shown("sites", "/sites"),
    Shown("general", "/sites/{site}/settings/general"),
    Shown("delete", "/sites/{site}/settings/general/delete", prepare=_refused_deletion),
    Shown("tracking", "/sites/{site}/settings/tracking"),
    Shown("exclusions", "/sites/{site}/settings/exclusions"),
    Shown("exclusions-refused", "/sites/{site}/settings/exclusions", prepare=_refused_lines),
    Shown("exclusions-tried", "/sites/{site}/settings/exclusions", prepare=_excluded),
    Shown("site-keys", "/sites/{site}/settings/keys"),
    Shown("site-keys-made", "/sites/{site}/settings/keys", prepare=make_key),
    Shown(
        "site-keys-revoke", "/sites/{site}/settings/keys", prepare=_asked_to_revoke_a_sites_key, whole=False
    ),
    Shown("sharing", "/sites/{site}/settings/sharing"),
    Shown("sharing-key", "/sites/{site}/settings/sharing", prepare=_private_key),
    Shown("sign-in", "/login", signed_in=False),
    Shown("sign-in-refused", "/login", signed_in=False, prepare=_refused_sign_in),
    Shown("forgotten", "/forgot-password", signed_in=False),
    Shown("reset", "/reset-password/{reset}", signed_in=False),
    Shown("reset-broken", "/reset-password/old", signed_in=False, status=404),
    Shown("sign-up-closed", "/signup", signed_in=False),
    Shown("invitation", "/invitation/{invitation}", signed_in=False),
    Shown("invitation-broken", "/invitation/old", signed_in=False, status=404),
    Shown("organization-new", "/organizations/new"),
    Shown("members", "/organizations/{organization}"),
    Shown("members-remove", "/organizations/{organization}", prepare=_asked_to_remove, whole=False),
    Shown("invitations", "/organizations/{organization}/invitations"),
    Shown("invitations-made", "/organizations/{organization}/invitations", prepare=_invite),
    Shown("organization-keys", "/organizations/{organization}/keys"),
    Shown("organization-keys-made", "/organizations/{organization}/keys", prepare=make_key),
    Shown("audit", "/organizations/{organization}/audit"),
    Shown("organization-name", "/organizations/{organization}/settings"),
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
