"""What holds for every form of the pages: it is refused without its token, and its success is announced."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from rybbit.extensions import db
from rybbit.models import Account, Role
from rybbit.services import invitations, keys, organizations, password_resets, sites
from rybbit.services.sign_in import start_session
from rybbit.web import pages
from tests.factories import PASSWORD, make_account
from tests.web.browsing import PARTIAL, Person
from tests.web.people import Cast, everything, make_cast
from tests.web.world import PEER, World

NEW = "another long password"


@dataclass(frozen=True)
class Form:
    """A form that is fit, by what is announced when it is sent; "" if the page that follows says enough."""

    announced: str
    fields: Mapping[str, str] = field(default_factory=dict)


FORMS = {
    "/account/keys": Form("Key made", {"name": "Backup", "access": "all"}),
    "/account/keys/<key_id>/revoke": Form("Key revoked"),
    "/account/name": Form("Name saved", {"name": "Other"}),
    "/account/password": Form("Password changed", {"current_password": PASSWORD, "new_password": NEW}),
    "/account/sessions/<session_id>/end": Form("Browser signed out"),
    "/account/sessions/end-others": Form("Every other browser is signed out"),
    "/forgot-password": Form("If somebody@example.com has an account", {"email": "somebody@example.com"}),
    "/invitation/<token>": Form("Welcome", {"email": "{new_email}", "password": NEW, "name": "New"}),
    "/invitation/<token>/accept": Form("You belong to"),
    "/login": Form("", {"email": "{email}", "password": PASSWORD}),
    "/logout": Form(""),
    "/organizations/<organization>/invitations": Form("Invitation made", {"role": "member"}),
    "/organizations/<organization>/invitations/<invitation_id>/revoke": Form("Invitation revoked"),
    "/organizations/<organization>/keys": Form("Key made", {"name": "Backup", "access": "all"}),
    "/organizations/<organization>/keys/<key_id>/revoke": Form("Key revoked"),
    "/organizations/<organization>/leave": Form("You left"),
    "/organizations/<organization>/members/<account_id>/remove": Form("was removed"),
    "/organizations/<organization>/members/<account_id>/role": Form("is admin now", {"role": "admin"}),
    "/organizations/<organization>/settings": Form("Name saved", {"name": "Other"}),
    "/organizations/new": Form("Organization made", {"name": "Second"}),
    "/reset-password/<token>": Form("Password changed", {"new_password": NEW}),
    "/setup": Form("The server is set up"),
    "/signup": Form("Welcome", {"email": "{new_email}", "password": NEW, "name": "New"}),
    "/sites/<site>/install/key": Form("Key made"),
    "/sites/<site>/settings/exclusions/addresses": Form("One more is excluded", {"patterns": "192.0.2.7"}),
    "/sites/<site>/settings/exclusions/countries": Form("Germany is excluded", {"country": "DE"}),
    "/sites/<site>/settings/exclusions/mine": Form("One more is excluded", {"note": "Home"}),
    "/sites/<site>/settings/exclusions/remove": Form("is not excluded any more", {"pattern": "10.0.0.1"}),
    "/sites/<site>/settings/exclusions/test": Form("It would be kept", {"address": "192.0.2.9"}),
    "/sites/<site>/settings/general": Form("Settings saved", {"name": "Other", "domain": "{domain}"}),
    "/sites/<site>/settings/general/delete": Form("was deleted", {"typed_domain": "{domain}"}),
    "/sites/<site>/settings/general/retention": Form(
        "Events are kept for 30 days", {"days": "30", "confirmed": "30"}
    ),
    "/sites/<site>/settings/keys": Form("Key made", {"name": "Backend"}),
    "/sites/<site>/settings/keys/<key_id>/revoke": Form("Key revoked"),
    "/sites/<site>/settings/sharing/link": Form("Private key made"),
    "/sites/<site>/settings/sharing/link/revoke": Form("Private key revoked"),
    "/sites/<site>/settings/sharing/public": Form("The statistics are public", {"public": "y"}),
    "/sites/<site>/settings/tracking": Form("Tracking saved", {"track_ip": "y"}),
    "/sites/new": Form(
        "Site made", {"name": "New", "domain": "new-{domain}", "organization": "{organization}"}
    ),
    "/theme": Form("", {"theme": "dark"}),
}
# Sent by whoever is not signed in; `/invitation/<token>/accept` by somebody who is not a member yet.
SIGNED_OUT = ("/forgot-password", "/invitation/<token>", "/login", "/reset-password", "/setup", "/signup")
# The answer is the same without a token: nothing is done, and where to go is no secret.
CHANGES_NOTHING = ("/setup", "/theme", "/sites/<site>/settings/exclusions/test", "/forgot-password")


def _rules(method: str) -> list[str]:
    app = Flask(__name__)
    pages.register(app)
    rules = [rule for rule in app.url_map.iter_rules() if method in (rule.methods or ())]
    return sorted(rule.rule for rule in rules if rule.endpoint != "static")


@pytest.fixture(scope="module")
def settings() -> dict[str, Any]:
    """Strangers may make accounts, and nobody is counted: all of it comes from one address."""
    limits = {f"RYBBIT_{name}_RATE_LIMIT": "" for name in ("LOGIN", "LOGIN_ADDRESS", "LINK")}
    return limits | {"RYBBIT_DISABLE_SIGNUP": "false"}


@dataclass
class Stand:
    """A site with everybody around it, and one of each thing that a form is about."""

    cast: Cast
    ids: dict[str, str]

    def path(self, rule: str) -> str:
        """The address of a form or a page."""
        kind = rule.split("/")[1]
        path = rule.replace("<key_id>", self.ids[f"{kind} key"] if "<key_id>" in rule else "")
        path = path.replace("<token>", self.ids["reset" if kind == "reset-password" else "invitation"])
        path = path.replace("<any(replace, revoke):action>", "replace")
        for name, value in self.ids.items():
            path = path.replace(f"<{name}>", value)
        assert "<" not in path, path
        return path

    def fields(self, rule: str) -> dict[str, str]:
        """What the form is filled in with."""
        return {name: value.format_map(self.ids) for name, value in FORMS[rule].fields.items()}

    def sender_of(self, rule: str) -> Person:
        """Who sends it, with the token of a page that they saw."""
        person = Person(self.cast.world)
        if not rule.startswith(SIGNED_OUT) or rule.endswith("/accept"):
            name = "stranger" if rule.endswith("/accept") else "owner"
            person.client.set_cookie("rybbit_session", self.cast.cookies[f"{name} in a browser"])
        person.get("/account")
        person.get("/login")
        return person


@pytest.fixture
def stand(world: World) -> Stand:
    """One for each test, since forms use things up."""
    cast = make_cast(world, excludedIPs=["10.0.0.1"], name="Shop")
    with world.app.app_context():
        owner = db.session.get_one(Account, cast.accounts["owner"])
        site, organization = (
            sites.site_for(cast.site_id),
            organizations.organization_for(cast.organization_id),
        )
        # So that the owner may leave.
        organizations.set_role(organization, db.session.get_one(Account, cast.accounts["admin"]), Role.OWNER)
        invitation, token = invitations.create_invitation(organization)
        ids = {
            "account key": keys.create_account_key(owner)[0].id,
            "organizations key": keys.create_organization_key(organization)[0].id,
            "sites key": keys.create_tracking_key(site)[0].id,
            "session_id": start_session(owner, address="", user_agent="")[0].id,
            "invitation_id": invitation.id,
            "invitation": token,
            "reset": password_resets.make_reset(make_account()),
            "email": owner.email,
        }
        db.session.commit()
    ids |= {
        "site": str(cast.site_id),
        "organization": cast.organization_id,
        "account_id": cast.accounts["other member"],
        "domain": cast.domain,
        "new_email": f"new-{cast.site_id}@example.com",
    }
    return Stand(cast, ids)


def test_every_form_is_here() -> None:
    assert sorted(FORMS) == _rules("POST")


@pytest.mark.parametrize("rule", FORMS)
def test_without_its_token_nothing_happens(stand: Stand, rule: str) -> None:
    person, other = stand.sender_of(rule), stand.sender_of(rule)
    before = everything(stand.cast.world)
    for token in ("", "x", other.token, person.token[:-1]):
        for headers in ({}, PARTIAL):
            answer = person.post(stand.path(rule), token=token, headers=headers, **stand.fields(rule))
            assert answer.status_code in (204, 303, 400, 403), token
            cookies = " ".join(answer.headers.getlist("Set-Cookie"))
            assert "rybbit_session=" not in cookies
            assert "rybbit_theme=" not in cookies
    assert everything(stand.cast.world) == before


@pytest.mark.parametrize("headers", [{}, PARTIAL], ids=["page", "part"])
@pytest.mark.parametrize("rule", FORMS)
def test_success_is_announced(stand: Stand, rule: str, headers: dict[str, str]) -> None:
    person, before = stand.sender_of(rule), everything(stand.cast.world)
    answer = person.post(stand.path(rule), headers=headers, **stand.fields(rule))
    assert answer.status_code in (200, 204, 303), answer.text
    if not rule.startswith(CHANGES_NOTHING):
        assert everything(stand.cast.world) != before
    announced = _announced(_follow(person, answer))
    assert FORMS[rule].announced in announced
    assert bool(announced) == bool(FORMS[rule].announced), announced


@pytest.mark.parametrize("name", ["owner", "member", "stranger", "nobody"])
def test_no_page_is_kept_by_caches(stand: Stand, name: str) -> None:
    client = stand.cast.client(f"{name} in a browser")
    for rule in _rules("GET"):
        # An entry of the inspector that there is none of is a page as well.
        path = stand.path(rule.replace("<entry>", "u1"))
        for headers in ({}, PARTIAL):
            answer = client.get(path, headers=headers, environ_overrides={"REMOTE_ADDR": PEER})
            assert answer.status_code in (200, 204, 303, 403, 404), path
            assert answer.headers["Cache-Control"] == "no-store", path


def _follow(person: Person, answer: TestResponse) -> TestResponse:
    """The page that an answer leads to, in either way, else the answer."""
    for _ in range(3):
        to = answer.headers.get("HX-Redirect") or answer.headers.get("Location")
        if to is None:
            return answer
        answer = person.get(to)
    raise AssertionError("it leads on and on")


def _announced(answer: TestResponse) -> str:
    """The texts that are announced: in a region with role=status, or on their way into the one for toasts."""
    reader = _Reader(lambda given: given.get("role") == "status" or given.get("hx-target") == "#toasts")
    reader.feed(answer.text)
    return " ".join(" ".join(reader.texts).split())


class _Reader(HTMLParser):
    """Collects the texts in elements that are wanted by their attributes."""

    def __init__(self, is_wanted: Callable[[dict[str, str | None]], bool]) -> None:
        super().__init__()
        self.texts: list[str] = []
        self._is_wanted = is_wanted
        self._inside: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if self._inside or self._is_wanted(dict(attrs)):
            self._inside.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag in self._inside:
            while self._inside.pop() != tag:
                pass

    def handle_data(self, data: str) -> None:
        if self._inside:
            self.texts.append(data)
