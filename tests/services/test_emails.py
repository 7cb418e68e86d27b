"""The one spelling of an email address."""

from typing import Any

import pytest
from sqlalchemy.orm import scoped_session

from rybbit.errors import Conflict, Forbidden, InvalidInput
from rybbit.models import Account, Role
from rybbit.security import hash_password
from rybbit.services import accounts, invitations, organizations
from rybbit.services.emails import compared_email, email_spellings, normalise_email
from rybbit.services.sign_in import sign_in
from tests.factories import PASSWORD, make_account, make_organization

AppSession = scoped_session[Any]

READ = "owner@münchen.de"
SENT = "owner@xn--mnchen-3ya.de"
SPELLINGS = [READ, SENT, " Owner@MÜNCHEN.de ", "owner@mu\u0308nchen.de", "owner@ｍünchen。de"]


@pytest.mark.parametrize("written", SPELLINGS)
def test_every_spelling_is_kept_as_browsers_send_it(written: str) -> None:
    assert normalise_email(written) == compared_email(written) == SENT
    assert {SENT, READ} <= set(email_spellings(written))


def test_what_stands_before_the_domain_stays() -> None:
    assert normalise_email("Jörg@example.com") == "jörg@example.com"
    assert normalise_email("ann@localhost") == "ann@localhost"
    assert email_spellings("Ann@example.com") == ["ann@example.com"]


@pytest.mark.parametrize(
    "written", ["a@☕.example", "a@ü..de", "a@\ud800.de", f"a@{'ü' * 70}.de", "ü" * 1_000_000]
)
def test_what_no_host_can_be_called_is_refused(written: str) -> None:
    with pytest.raises(InvalidInput):
        normalise_email(written)
    assert compared_email(written) == written


def test_what_grows_too_long_in_punycode_is_refused() -> None:
    domain = ".".join(["ü" * 30] * 7)
    assert len(f"ann@{domain}") < 254
    with pytest.raises(InvalidInput):
        normalise_email(f"ann@{domain}")


def test_what_only_looks_like_punycode_is_an_address() -> None:
    assert email_spellings("a@xn--a.de") == ["a@xn--a.de"]


@pytest.fixture
def old_account(session: AppSession) -> Account:
    """An account as earlier versions kept it."""
    account = Account(email=READ, name="Owner", password_hash=hash_password(PASSWORD))
    session.add(account)
    session.flush()
    return account


@pytest.mark.usefixtures("session")
class TestAccounts:
    """Accounts by any spelling."""

    @pytest.mark.parametrize("made", SPELLINGS)
    @pytest.mark.parametrize("typed", [READ, SENT])
    def test_the_spelling_makes_no_difference(self, made: str, typed: str) -> None:
        account = make_account(email=made)
        assert account.email == SENT
        assert sign_in(typed, PASSWORD, address="", user_agent="")[0].account_id == account.id
        with pytest.raises(Conflict):
            make_account(email=typed)

    @pytest.mark.parametrize("typed", SPELLINGS)
    def test_an_old_account_signs_in(self, old_account: Account, typed: str) -> None:
        assert sign_in(typed, PASSWORD, address="", user_agent="")[0].account_id == old_account.id
        with pytest.raises(Conflict):
            make_account(email=typed)

    def test_of_two_old_accounts_the_one_that_is_named_counts(
        self, session: AppSession, old_account: Account
    ) -> None:
        other = Account(email=SENT, name="Other", password_hash=None)
        session.add(other)
        session.flush()
        assert accounts.account_by_email(READ) is old_account
        assert accounts.account_by_email(SENT) is other

    @pytest.mark.parametrize("invited", [READ, SENT])
    @pytest.mark.parametrize("typed", [READ, SENT])
    def test_an_invitation_is_for_every_spelling(self, invited: str, typed: str) -> None:
        organization = make_organization()
        _, token = invitations.create_invitation(organization, email=invited)
        account = accounts.sign_up(typed, password=PASSWORD, disabled=True, invitation=token)
        assert organizations.role_of(account, organization.id) is Role.MEMBER

    def test_an_old_account_is_invited(self, old_account: Account) -> None:
        invitation, token = invitations.create_invitation(make_organization(), email=SENT)
        assert invitations.is_meant(invitation, READ)
        invitations.accept_invitation(token, old_account)

    def test_an_invitation_is_for_nobody_else(self) -> None:
        _, token = invitations.create_invitation(make_organization(), email=READ)
        with pytest.raises(Forbidden):
            invitations.check_invitation(token, "owner@munchen.de")
