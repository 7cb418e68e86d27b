"""Invitations and sign-up: who gets in, and who does not."""

from collections.abc import Callable
from datetime import timedelta
from threading import Barrier, Thread
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select, text
from sqlalchemy.orm import scoped_session

from rybbit import clock
from rybbit.errors import Conflict, Forbidden, InvalidInput, NotFound
from rybbit.extensions import db
from rybbit.models import Account, Invitation, Role
from rybbit.services import accounts, invitations, keys, organizations
from rybbit.services.actor import actor_of_account, actor_of_key
from tests.factories import PASSWORD, make_account, make_member, make_organization

AppSession = scoped_session[Any]


@pytest.mark.usefixtures("session")
class TestInvitations:
    """Links with which people join."""

    @pytest.mark.parametrize("role", list(Role))
    def test_who_accepts_is_a_member(self, session: AppSession, role: Role) -> None:
        organization, ann = make_organization(), make_account()
        invitation, token = invitations.create_invitation(organization, role=role)
        assert invitation.id.startswith("inv_")
        assert token not in str(session.execute(text("select * from rybbit_invitation")).all())
        assert invitations.find_invitation(token) is invitation
        assert invitations.accept_invitation(token, ann) is organization
        assert organizations.role_of(ann, organization.id) is role

    def test_one_person_accepts(self) -> None:
        organization = make_organization()
        _, token = invitations.create_invitation(organization)
        invitations.accept_invitation(token, make_account())
        assert invitations.find_invitation(token) is None
        with pytest.raises(NotFound, match="Invitation not found"):
            invitations.accept_invitation(token, bob := make_account())
        assert organizations.role_of(bob, organization.id) is None

    def test_it_can_be_accepted_for_seven_days(self, monkeypatch: pytest.MonkeyPatch) -> None:
        begun = clock.now()
        monkeypatch.setattr(clock, "now", lambda: begun)
        organization = make_organization()
        made, token = invitations.create_invitation(organization)
        monkeypatch.setattr(clock, "now", lambda: begun + timedelta(days=7, milliseconds=-1))
        assert invitations.invitations_of(organization) == [made]
        monkeypatch.setattr(clock, "now", lambda: begun + timedelta(days=7))
        assert invitations.invitations_of(organization) == []
        with pytest.raises(NotFound):
            invitations.accept_invitation(token, make_account())

    def test_revoking_ends_it(self) -> None:
        organization = make_organization()
        invitation, token = invitations.create_invitation(organization)
        kept, _ = invitations.create_invitation(organization)
        invitations.revoke_invitation(invitations.invitation_for(organization, invitation.id))
        assert invitations.invitations_of(organization) == [kept]
        with pytest.raises(NotFound):
            invitations.accept_invitation(token, make_account())

    @pytest.mark.parametrize("token", ["", "x", "\0", "\ud800", "x" * 100_000])
    def test_a_wrong_token(self, token: str) -> None:
        invitations.create_invitation(make_organization())
        assert invitations.find_invitation(token) is None
        with pytest.raises(NotFound):
            invitations.accept_invitation(token, make_account())

    def test_an_invitation_for_an_address_is_for_nobody_else(self) -> None:
        organization = make_organization()
        invitation, token = invitations.create_invitation(organization, email=" Ann@Example.com ")
        assert invitation.email == "ann@example.com"
        with pytest.raises(Forbidden, match="another email address"):
            invitations.accept_invitation(token, make_account(email="bob@example.com"))
        invitations.accept_invitation(token, make_account(email="ann@example.com"))

    def test_an_address_has_to_be_one(self) -> None:
        with pytest.raises(InvalidInput) as refused:
            invitations.create_invitation(make_organization(), email="nobody")
        assert set(refused.value.field_errors) == {"email"}

    def test_a_member_cannot_accept_and_does_not_use_it_up(self) -> None:
        organization = make_organization()
        _, token = invitations.create_invitation(organization, role=Role.ADMIN)
        with pytest.raises(Conflict, match="Already a member"):
            invitations.accept_invitation(token, ann := make_member(organization))
        assert organizations.role_of(ann, organization.id) is Role.MEMBER
        invitations.accept_invitation(token, make_account())

    def test_only_owners_invite_owners(self) -> None:
        organization = make_organization()
        admin = actor_of_account(make_member(organization, Role.ADMIN))
        key = actor_of_key(keys.create_organization_key(organization)[0])
        assert key is not None
        for actor in (admin, key):
            with pytest.raises(Forbidden):
                invitations.create_invitation(organization, role=Role.OWNER, actor=actor)
            invitations.create_invitation(organization, role=Role.ADMIN, actor=actor)

    @pytest.mark.parametrize("way", ["removed", "demoted"])
    @pytest.mark.parametrize("by_key", [False, True])
    def test_who_is_no_admin_any_more_lets_nobody_in(self, way: str, by_key: bool) -> None:
        organization = make_organization()
        ann = make_member(organization, Role.ADMIN)
        actor = actor_of_account(ann)
        if by_key:
            actor = actor_of_key(keys.create_account_key(ann)[0]) or actor
        _, token = invitations.create_invitation(organization, role=Role.ADMIN, actor=actor)
        _, other = invitations.create_invitation(organization)
        if way == "removed":
            organizations.remove_member(organization, ann)
        else:
            organizations.set_role(organization, ann, Role.MEMBER)
        with pytest.raises(NotFound):
            invitations.accept_invitation(token, make_account())
        invitations.accept_invitation(other, make_account())

    def test_an_invitation_by_its_id(self) -> None:
        organization, other = make_organization(), make_organization()
        invitation, _ = invitations.create_invitation(organization)
        for wrong in ("", "inv_none", "\0", "\ud800"):
            with pytest.raises(NotFound, match="Invitation not found"):
                invitations.invitation_for(organization, wrong)
        with pytest.raises(NotFound, match="Invitation not found"):
            invitations.invitation_for(other, invitation.id)

    def test_the_link_begins_with_the_configured_address(self) -> None:
        assert invitations.invitation_url("https://a.example/", "t") == "https://a.example/invitation/t"


@pytest.mark.usefixtures("session")
class TestSignUp:
    """Accounts that people make for themselves."""

    def test_the_first_comes_in_unless_the_operator_says_otherwise(self) -> None:
        with pytest.raises(Forbidden, match="Sign-up is disabled"):
            accounts.sign_up("ann@example.com", password=PASSWORD, disabled=True)
        ann = accounts.sign_up("ann@example.com", password=PASSWORD)
        assert accounts.list_accounts() == [ann]
        with pytest.raises(Forbidden, match="Sign-up is disabled"):
            accounts.sign_up("bob@example.com", password=PASSWORD)
        assert accounts.list_accounts() == [ann]

    def test_where_it_is_enabled_everybody_comes_in(self) -> None:
        ann = make_account(email="ann@example.com")
        bob = accounts.sign_up("Bob@example.com", password=PASSWORD, name="Bob", disabled=False)
        assert (bob.email, bob.name) == ("bob@example.com", "Bob")
        assert accounts.list_accounts() == [ann, bob]
        with pytest.raises(Conflict, match="Email already in use"):
            accounts.sign_up("ANN@example.com", password=PASSWORD, disabled=False)

    def test_who_is_refused_learns_nothing_about_addresses(self) -> None:
        make_account(email="ann@example.com")
        for email in ("ann@example.com", "bob@example.com", "nonsense"):
            with pytest.raises(Forbidden):
                accounts.sign_up(email, password="short")

    @pytest.mark.parametrize("disabled", [False, True])
    def test_an_invitation_lets_in_and_makes_a_member(self, disabled: bool) -> None:
        organization = make_organization()
        _, token = invitations.create_invitation(organization, role=Role.ADMIN)
        ann = accounts.sign_up("ann@example.com", password=PASSWORD, disabled=disabled, invitation=token)
        assert organizations.role_of(ann, organization.id) is Role.ADMIN
        with pytest.raises(NotFound):
            accounts.sign_up("bob@example.com", password=PASSWORD, disabled=disabled, invitation=token)
        assert accounts.account_by_email("bob@example.com") is None

    def test_an_invitation_for_another_address_lets_nobody_in(self) -> None:
        _, token = invitations.create_invitation(make_organization(), email="ann@example.com")
        with pytest.raises(Forbidden):
            accounts.sign_up("bob@example.com", password=PASSWORD, disabled=True, invitation=token)
        assert accounts.account_by_email("bob@example.com") is None

    def test_a_refused_sign_up_leaves_the_invitation_open(self) -> None:
        organization = make_organization()
        made, token = invitations.create_invitation(organization)
        with pytest.raises(InvalidInput):
            accounts.sign_up("ann@example.com", password="short", disabled=True, invitation=token)
        assert invitations.invitations_of(organization) == [made]

    def test_a_wrong_token_lets_nobody_in_where_sign_up_is_open(self) -> None:
        with pytest.raises(NotFound):
            accounts.sign_up("ann@example.com", password=PASSWORD, disabled=False, invitation="wrong")
        assert not accounts.has_accounts()

    def test_names_change(self) -> None:
        ann = make_account()
        accounts.rename_account(ann, " Ann ")
        assert ann.name == "Ann"
        with pytest.raises(InvalidInput):
            accounts.rename_account(ann, "\0")

    def test_an_account_by_its_address(self) -> None:
        ann = make_account(email="ann@example.com")
        assert accounts.account_for("ANN@example.com") is ann
        with pytest.raises(NotFound, match="Account not found"):
            accounts.account_for("bob@example.com")


def _at_once(app: Flask, works: list[Callable[[], object]]) -> list[str]:
    """Run each in a transaction of its own, all at the same moment; their outcomes, sorted."""
    outcomes: list[str] = []
    together = Barrier(len(works))

    def run(work: Callable[[], object]) -> None:
        with app.app_context():
            together.wait()
            try:
                work()
                db.session.commit()
                outcomes.append("done")
            except (Forbidden, NotFound, Conflict) as error:
                db.session.rollback()
                outcomes.append(type(error).__name__)

    threads = [Thread(target=run, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sorted(outcomes)


def test_of_several_first_sign_ups_at_once_one_succeeds(app: Flask, session: AppSession) -> None:
    def sign_up(number: int) -> Callable[[], object]:
        return lambda: accounts.sign_up(f"p{number}@example.com", password=PASSWORD)

    assert _at_once(app, [sign_up(number) for number in range(4)]) == ["Forbidden"] * 3 + ["done"]
    assert len(session.scalars(select(Account)).all()) == 1


def test_of_several_who_accept_at_once_one_is_a_member(app: Flask, session: AppSession) -> None:
    organization = make_organization()
    people = [make_account().email for _ in range(4)]
    _, token = invitations.create_invitation(organization)
    session.commit()

    def accept(email: str) -> Callable[[], object]:
        return lambda: invitations.accept_invitation(token, accounts.account_for(email))

    assert _at_once(app, [accept(email) for email in people]) == ["NotFound"] * 3 + ["done"]
    assert len(organizations.members_of(organization)) == 2
    assert len(session.scalars(select(Invitation)).all()) == 1


def test_two_owners_who_leave_at_once_leave_one_behind(app: Flask, session: AppSession) -> None:
    ann = make_account()
    organization = make_organization(owner=ann)
    bob = make_member(organization, Role.OWNER)
    session.commit()
    number, emails = organization.id, [ann.email, bob.email]
    session.rollback()

    def leave(email: str) -> Callable[[], object]:
        def work() -> None:
            account = accounts.account_for(email)
            found = organizations.organization_for(number)
            organizations.remove_member(found, account, actor=actor_of_account(account))

        return work

    assert _at_once(app, [leave(email) for email in emails]) == ["Conflict", "done"]
    assert [each.role for each in organizations.members_of(organization)] == [Role.OWNER]
