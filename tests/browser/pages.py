"""Every page, for the tests that hold for all of them and for `shots.py`. A new page is a line here."""

from dataclasses import dataclass

from playwright.sync_api import Page

from tests.browser.server import READER, Server
from tests.browser.stage import Kind, Who
from tests.browser.states import (
    Preparation,
    ask_for_a_reset,
    ask_for_retention,
    asked,
    asked_on_a_page,
    exclude_and_try,
    go_to_a_long_request,
    have_a_private_key,
    invite,
    make_install_key,
    make_key,
    open_a_refused_event,
    refused,
    send_events_of_every_outcome,
    send_refused_events,
    send_the_first_event,
)

_INVITE = ("org", "invite", "--org", "{organization}", "--show")
_LINKS = {
    # For somebody else than the owner, whose sessions would end with it.
    "reset": ("user", "reset", READER, "--show"),
    "invitation": _INVITE,
    "invitation_of_reader": (*_INVITE, "--email", READER),
}


@dataclass(frozen=True)
class Shown:
    """A page in some state.

    In its path `{site}`, `{quiet}` (a site to which nothing comes) and `{organization}` stand for those of
    the server, `{setup}` for the path of the link that it printed, and the names of `_LINKS` for tokens of
    links that are made for it.
    """

    name: str
    path: str
    who: Who = "owner"
    kind: Kind = "usual"
    prepare: Preparation | None = None
    status: int = 200
    most_kilobytes: int = 120  # over the wire, with scripts and styles
    whole: bool = True  # whether a picture shows what is below the window

    def __str__(self) -> str:
        return self.name

    def address(self, server: Server) -> str:
        """Its path on this server."""
        known = {
            "site": server.site_id,
            "quiet": server.quiet_site_id,
            "organization": server.organization_id,
            "setup": server.setup_path,
        }
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


_BEGINNING = [
    Shown("setup", "{setup}", "nobody", "empty"),
    Shown(
        "setup-refused", "{setup}", "nobody", "empty", refused("Set up", "#password-error", Password="short")
    ),
    Shown("setup-closed", "/setup", "nobody", "empty"),
    Shown("setup-wrong-link", "/setup?token=old", "nobody", "empty", status=403),
    Shown("sign-in", "/login", "nobody"),
    Shown("sign-in-open", "/login", "nobody", "open"),
    Shown(
        "sign-in-refused",
        "/login",
        "nobody",
        prepare=refused("Sign in", ".form-error", Email="somebody@example.com", Password="wrong"),
    ),
    Shown("forgotten", "/forgot-password", "nobody"),
    Shown("forgotten-mail", "/forgot-password", "nobody", "open"),
    Shown(
        "forgotten-mail-refused",
        "/forgot-password",
        "nobody",
        "open",
        refused("Send a link", "#email-error", Email="nobody"),
    ),
    Shown("forgotten-mail-sent", "/forgot-password", "nobody", "open", ask_for_a_reset),
    Shown("reset", "/reset-password/{reset}", "nobody"),
    Shown(
        "reset-refused",
        "/reset-password/{reset}",
        "nobody",
        prepare=refused("Change password", "#new_password-error", New_password="short"),
    ),
    Shown("reset-broken", "/reset-password/old", "nobody", status=404),
    Shown("sign-up", "/signup", "nobody", "open"),
    Shown(
        "sign-up-refused",
        "/signup",
        "nobody",
        "open",
        refused("Make an account", "#email-error", Email="nobody", Password="short"),
    ),
    Shown("sign-up-closed", "/signup", "nobody"),
    Shown("invitation", "/invitation/{invitation}", "nobody"),
    Shown("invitation-signed-in", "/invitation/{invitation}", "outsider"),
    Shown("invitation-member", "/invitation/{invitation}", "reader"),
    Shown("invitation-known", "/invitation/{invitation_of_reader}", "nobody"),
    Shown("invitation-of-another", "/invitation/{invitation_of_reader}", "outsider"),
    Shown("invitation-broken", "/invitation/old", "nobody", status=404),
]

_SITES = [
    Shown("sites-none", "/sites", "partner"),
    Shown("sites-none-to-see", "/sites", "outsider"),
    Shown("sites-new", "/sites/new"),
    Shown("sites-new-choice", "/sites/new", "partner"),
    Shown(
        "sites-new-refused", "/sites/new", prepare=refused("Make site", "#domain-error", Domain="nonsense")
    ),
    Shown("install", "/sites/{quiet}/install"),
    Shown("install-key", "/sites/{site}/install", prepare=make_install_key),
    Shown("install-arrived", "/sites/new", prepare=send_the_first_event),
    Shown("general", "/sites/{site}/settings/general"),
    Shown(
        "general-refused",
        "/sites/{site}/settings/general",
        prepare=refused("Save", "#domain-error", Domain="quiet.example.com"),
    ),
    Shown(
        "retention-refused",
        "/sites/{site}/settings/general",
        prepare=refused("Change", "#days-error", Days_that_events_are_kept="a month"),
    ),
    Shown("retention-ask", "/sites/{site}/settings/general", prepare=ask_for_retention),
    Shown("delete", "/sites/{site}/settings/general/delete"),
    Shown(
        "delete-refused",
        "/sites/{site}/settings/general/delete",
        prepare=refused("Delete for good", "#typed_domain-error"),
    ),
    Shown("tracking", "/sites/{site}/settings/tracking"),
    Shown("exclusions", "/sites/{quiet}/settings/exclusions"),
    Shown(
        "exclusions-refused",
        "/sites/{quiet}/settings/exclusions",
        prepare=refused(
            "Exclude addresses", ".problems", Addresses_and_ranges="192.0.2.7\nnonsense\n192.0.2.0/99"
        ),
    ),
    Shown("exclusions-tried", "/sites/{site}/settings/exclusions", prepare=exclude_and_try),
    Shown("site-keys-none", "/sites/{quiet}/settings/keys"),
    Shown("site-keys", "/sites/{site}/settings/keys"),
    Shown("site-keys-made", "/sites/{site}/settings/keys", prepare=make_key),
    Shown("site-keys-revoke", "/sites/{site}/settings/keys", prepare=asked("Revoke", make_key), whole=False),
    Shown(
        "site-keys-revoke-page", "/sites/{site}/settings/keys", prepare=asked_on_a_page("Revoke", make_key)
    ),
    Shown("sharing", "/sites/{quiet}/settings/sharing"),
    Shown("sharing-key", "/sites/{site}/settings/sharing", prepare=have_a_private_key),
    Shown(
        "sharing-replace",
        "/sites/{site}/settings/sharing",
        prepare=asked("Generate another", have_a_private_key),
        whole=False,
    ),
    Shown(
        "sharing-revoke",
        "/sites/{site}/settings/sharing",
        prepare=asked("Revoke", have_a_private_key),
        whole=False,
    ),
    Shown("sharing-replace-page", "/sites/{site}/settings/sharing/link/replace"),
    Shown("sharing-revoke-page", "/sites/{site}/settings/sharing/link/revoke"),
    Shown("inspector-empty", "/sites/{quiet}/inspector"),
    Shown("inspector-empty-kept", "/sites/{quiet}/inspector?show=kept"),
    Shown("inspector", "/sites/{site}/inspector", prepare=open_a_refused_event),
    Shown("inspector-kept", "/sites/{site}/inspector?show=kept", prepare=send_events_of_every_outcome),
    Shown("inspector-lost", "/sites/{site}/inspector?show=lost", prepare=send_events_of_every_outcome),
    Shown("inspector-refused", "/sites/{site}/inspector", prepare=send_refused_events, whole=False),
    Shown("inspector-alone", "/sites/{site}/inspector", prepare=go_to_a_long_request),
]

# What a member may only read.
_READING = [
    *(
        Shown(f"{tab}-read", f"/sites/{{site}}/settings/{tab}", "reader")
        for tab in ("general", "tracking", "exclusions", "keys", "sharing")
    ),
    Shown("install-read", "/sites/{quiet}/install", "reader"),
    Shown("inspector-read", "/sites/{site}/inspector", "reader", prepare=send_events_of_every_outcome),
    Shown("forbidden", "/sites/{site}/settings/general/delete", "reader", status=403),
]

_ORGANIZATIONS = [
    Shown("organizations", "/organizations", "partner"),
    Shown("organizations-none", "/organizations", "outsider"),
    Shown("organization-new", "/organizations/new"),
    Shown(
        "organization-new-refused", "/organizations/new", prepare=refused("Make organization", "#name-error")
    ),
    Shown("members", "/organizations/{organization}"),
    Shown("members-read", "/organizations/{organization}", "reader"),
    Shown("members-remove", "/organizations/{organization}", prepare=asked("Remove"), whole=False),
    Shown("members-remove-page", "/organizations/{organization}", prepare=asked_on_a_page("Remove")),
    Shown("members-leave", "/organizations/{organization}", "reader", prepare=asked("Leave"), whole=False),
    Shown("members-leave-page", "/organizations/{organization}/leave", "reader"),
    Shown("invitations", "/organizations/{organization}/invitations"),
    Shown("invitations-made", "/organizations/{organization}/invitations", prepare=invite),
    Shown(
        "invitations-revoke",
        "/organizations/{organization}/invitations",
        prepare=asked("Revoke", invite),
        whole=False,
    ),
    Shown(
        "invitations-revoke-page",
        "/organizations/{organization}/invitations",
        prepare=asked_on_a_page("Revoke", invite),
    ),
    Shown("organization-keys", "/organizations/{organization}/keys"),
    Shown("organization-keys-made", "/organizations/{organization}/keys", prepare=make_key),
    Shown(
        "organization-keys-revoke-page",
        "/organizations/{organization}/keys",
        prepare=asked_on_a_page("Revoke", make_key),
    ),
    Shown("audit", "/organizations/{organization}/audit"),
    Shown("organization-name", "/organizations/{organization}/settings"),
]

_OTHERS = [
    # After events have come.
    Shown("sites", "/sites"),
    Shown("account", "/account"),
    Shown(
        "account-refused",
        "/account",
        prepare=refused("Change password", "#new_password-error", New_password="short"),
    ),
    Shown("sessions", "/account/sessions"),
    Shown("keys", "/account/keys"),
    Shown("keys-made", "/account/keys", prepare=make_key),
    Shown("keys-revoke", "/account/keys", prepare=asked("Revoke", make_key), whole=False),
    Shown("keys-revoke-page", "/account/keys", prepare=asked_on_a_page("Revoke", make_key)),
    Shown("not-found", "/nothing-here", status=404),
    Shown("not-found-signed-out", "/nothing-here", "nobody", status=404),
    Shown("api", "/docs/api", "nobody", most_kilobytes=200),
]

PAGES = [*_BEGINNING, *_SITES, *_READING, *_ORGANIZATIONS, *_OTHERS]
