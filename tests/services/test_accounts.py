"""Accounts: addresses and passwords."""

from typing import Any

import pytest
from argon2 import PasswordHasher
from sqlalchemy import select
from sqlalchemy.orm import scoped_session

from rybbit import security
from rybbit.errors import Conflict, InvalidInput
from rybbit.models import Key, PasswordReset, Role, Session
from rybbit.services import accounts, keys, organizations
from rybbit.services.password_resets import make_reset
from rybbit.services.sign_in import start_session
from tests.factories import PASSWORD, make_account, make_organization

AppSession = scoped_session[Any]

pytestmark = pytest.mark.usefixtures("session")


def test_an_account_is_kept_under_its_lower_case_address() -> None:
    account = accounts.create_account("  Ann@Example.COM ", password=PASSWORD)
    assert account.email == "ann@example.com"
    assert account.name == "ann"
    assert account.id.startswith("user_")
    assert accounts.account_by_email("ANN@example.com") is account


def test_a_name_can_be_given() -> None:
    assert accounts.create_account("a@b.example", password=PASSWORD, name=" Ann ").name == "Ann"


def test_an_address_has_one_account() -> None:
    make_account(email="ann@example.com")
    with pytest.raises(Conflict, match="Email already in use"):
        make_account(email="Ann@example.com")


@pytest.mark.parametrize(
    "email",
    [
        "",
        "ann",
        "@example.com",
        "ann@",
        "a b@example.com",
        "a@b@c.d",
        "a\n@b.c",
        "a\0@b.c",
        "<a>@b.c",
        "a@" + "b" * 260,
    ],
)
def test_what_is_no_address_is_refused(email: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        accounts.create_account(email, password=PASSWORD)
    assert set(refused.value.field_errors) == {"email"}
    assert accounts.account_by_email(email) is None


@pytest.mark.parametrize("password", ["", "1234567", "x" * 1025, "12345678\0", "12345678\ud800"])
def test_an_unfit_password_is_refused(password: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        accounts.create_account("a@b.example", password=password)
    assert set(refused.value.field_errors) == {"password"}
    assert not accounts.has_accounts()


@pytest.mark.parametrize("password", ["12345678", "x" * 1024, "pässwörd"])
def test_a_fit_password_opens_the_account(password: str) -> None:
    account = accounts.create_account("a@b.example", password=password)
    assert account.password_hash is not None
    assert password not in account.password_hash
    assert accounts.verify_password(account, password)
    assert not accounts.verify_password(account, password + "!")
    assert not accounts.verify_password(account, password * 1_000)


def test_nobody_signs_in_without_an_account_or_without_a_password() -> None:
    assert not accounts.verify_password(None, PASSWORD)
    account = accounts.create_account("a@b.example", password=None)
    assert not accounts.verify_password(account, "")
    assert not accounts.verify_password(account, PASSWORD)


def test_a_weak_hash_is_made_anew_when_the_password_is_known(
    session: scoped_session[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    account = make_account()
    weak = account.password_hash
    stronger = PasswordHasher(time_cost=2, memory_cost=16, parallelism=1)
    monkeypatch.setattr(security, "password_hasher", stronger)
    assert not accounts.verify_password(account, "wrong password")
    assert account.password_hash == weak
    assert accounts.verify_password(account, PASSWORD)
    assert account.password_hash != weak
    assert accounts.verify_password(account, PASSWORD)


def test_whether_there_are_accounts() -> None:
    assert not accounts.has_accounts()
    make_account()
    assert accounts.has_accounts()


def test_an_account_is_deleted_with_all_that_is_its_own(session: AppSession) -> None:
    ann, bob = make_account(), make_account()
    organization = make_organization(owner=ann)
    organizations.add_member(organization, bob, role=Role.MEMBER)
    keys.create_account_key(bob)
    start_session(bob, address="", user_agent="")
    make_reset(bob)
    session.commit()
    accounts.delete_account(bob)
    session.commit()
    assert accounts.list_accounts() == [ann]
    assert [each.account for each in organizations.members_of(organization)] == [ann]
    for model in (Key, Session, PasswordReset):
        assert session.scalars(select(model)).all() == []


def test_the_last_owner_of_an_organization_is_not_deleted(session: AppSession) -> None:
    ann = make_account()
    make_organization(owner=ann)
    session.commit()
    with pytest.raises(Conflict, match="needs an owner"):
        accounts.delete_account(ann)
    session.rollback()
    assert accounts.list_accounts() == [ann]
