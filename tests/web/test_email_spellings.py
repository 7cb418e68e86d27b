"""Email addresses of international domains in a browser, which sends them in punycode whatever was typed."""

from typing import Any

import pytest

from rybbit.extensions import db, limiter
from rybbit.models import Account, Role
from rybbit.security import hash_password
from rybbit.services import accounts, invitations, organizations
from tests.factories import PASSWORD, make_account, make_organization
from tests.web.browsing import Person, text_of
from tests.web.world import World

TRIES = 3
READ = "owner@münchen.de"
SENT = "owner@xn--mnchen-3ya.de"


@pytest.fixture(scope="module")
def settings() -> dict[str, Any]:
    """A limit that is soon reached."""
    return {"RYBBIT_LOGIN_RATE_LIMIT": f"{TRIES}/hour"}


@pytest.fixture(params=["new", "old"])
def person(request: pytest.FixtureRequest, world: World) -> Person:
    """Somebody whose account was made under the address as people read it, also by an earlier version."""
    with world.app.app_context():
        limiter.limiter.storage.reset()
        found = accounts.account_by_email(READ)
        if found is not None:
            db.session.delete(found)
            db.session.flush()
        if request.param == "new":
            make_account(email=READ)
        else:
            db.session.add(Account(email=READ, name="Owner", password_hash=hash_password(PASSWORD)))
        db.session.commit()
    return Person(world, SENT)


def test_what_the_browser_sends_signs_in(person: Person) -> None:
    person.sign_in()
    assert len(person.stored_sessions()) == 1


def test_all_spellings_together_are_guessed_at_a_few_times_only(person: Person) -> None:
    person.get("/login")
    for email in (READ, SENT, "owner@ｍünchen。DE"):
        assert person.post("/login", email=email, password="wrong").status_code == 422
    assert person.post("/login", email=READ, password=PASSWORD).status_code == 429


@pytest.mark.parametrize("invited", [READ, SENT])
def test_an_invitation_is_accepted(person: Person, invited: str) -> None:
    with person.world.app.app_context():
        organization = make_organization()
        organization_id = organization.id
        _, token = invitations.create_invitation(organization, email=invited)
        db.session.commit()
    person.sign_in()
    assert "You join as" in text_of(person.get(f"/invitation/{token}"))
    assert person.post(f"/invitation/{token}/accept").status_code == 303
    with person.world.app.app_context():
        assert organizations.role_of(accounts.account_for(SENT), organization_id) is Role.MEMBER


def test_an_invitation_of_somebody_else_says_so(person: Person) -> None:
    with person.world.app.app_context():
        _, token = invitations.create_invitation(make_organization(), email="ann@example.com")
        db.session.commit()
    person.sign_in()
    assert "The invitation is for ann@example.com" in text_of(person.get(f"/invitation/{token}"))
