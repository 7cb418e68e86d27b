"""Every page, for the tests that hold for all of them and for `shots.py`. A new page is a line here."""

from collections.abc import Callable
from dataclasses import dataclass

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


PAGES = [
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
    Shown("not-found", "/nothing-here", status=404),
    Shown("api", "/docs/api", signed_in=False, most_kilobytes=200),
]
