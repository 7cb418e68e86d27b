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


PAGES = [
    Shown("sign-in", "/login", signed_in=False),
    Shown("sign-in-refused", "/login", signed_in=False, prepare=_refused_sign_in),
    Shown("account", "/account"),
    Shown("account-refused", "/account", prepare=_refused_password),
    Shown("sessions", "/account/sessions"),
    Shown("keys", "/account/keys"),
    Shown("keys-made", "/account/keys", prepare=make_key),
    Shown("keys-revoke", "/account/keys", prepare=_asked_to_revoke, whole=False),
    Shown("not-found", "/nothing-here", status=404),
    Shown("api", "/docs/api", signed_in=False, most_kilobytes=200),
]
