"""What the tables guarantee, whoever writes to them."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from sqlalchemy import delete, select, text, update
from sqlalchemy.exc import IntegrityError, StatementError
from sqlalchemy.orm import Session, scoped_session

from rybbit.models import Account, DaySalt, Key, Member, Organization, Revision, Role, Site, bump_revision
from tests.factories import make_account, make_member, make_organization, make_site, make_tracking_key

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
AppSession = scoped_session[Any]


def _revision(session: AppSession | Session) -> int:
    return session.scalar(select(Revision.number)) or 0


def test_a_moment_comes_back_in_utc(session: AppSession) -> None:
    in_india = NOON.astimezone(timezone(timedelta(hours=5, minutes=30)))
    account = make_account()
    account.created_at = in_india
    session.flush()
    session.expire_all()
    assert account.created_at == NOON
    assert account.created_at.tzinfo is UTC


def test_a_moment_without_a_zone_is_refused(session: AppSession) -> None:
    account = make_account()
    account.created_at = datetime(2026, 3, 1, 12)
    with pytest.raises(StatementError, match="time zone"):
        session.flush()


def test_moments_are_compared_as_moments(session: AppSession) -> None:
    account = make_account()
    account.created_at = NOON
    session.flush()
    later = (NOON + timedelta(minutes=1)).astimezone(timezone(timedelta(hours=-8)))
    found = session.scalars(select(Account).where(Account.created_at < later, Account.created_at >= NOON))
    assert list(found) == [account]


@pytest.mark.parametrize("holders", [(), ("site_id", "account_id"), ("account_id", "organization_id")])
def test_a_key_has_exactly_one_holder(session: AppSession, holders: tuple[str, ...]) -> None:
    owner = make_account()
    organization = make_organization(owner=owner)
    site = make_site(organization)
    ids = {"site_id": site.site_id, "account_id": owner.id, "organization_id": organization.id}
    session.add(Key(name="wrong", token_hash="0" * 64, **{holder: ids[holder] for holder in holders}))
    with pytest.raises(IntegrityError, match="one_holder"):
        session.flush()


def test_the_number_of_a_deleted_site_is_never_used_again(session: AppSession) -> None:
    organization = make_organization()
    numbers = [make_site(organization).site_id for _ in range(3)]
    session.commit()
    session.execute(delete(Site))
    session.commit()
    assert make_site(organization).site_id > max(numbers)


def test_a_deleted_site_takes_its_keys_along(session: AppSession) -> None:
    site = make_site()
    make_tracking_key(site)
    session.delete(site)
    session.flush()
    assert session.scalars(select(Key)).all() == []


def test_an_organization_with_sites_cannot_be_deleted(session: AppSession) -> None:
    organization = make_organization()
    make_site(organization)
    session.delete(organization)
    with pytest.raises(IntegrityError):
        session.flush()


def test_an_account_takes_its_memberships_and_keys_along_but_not_its_sites(session: AppSession) -> None:
    owner = make_account()
    site = make_site(make_organization(owner=owner))
    site.created_by = owner.id
    session.add(Key(name="k", token_hash="0" * 64, account_id=owner.id))
    session.flush()
    session.delete(owner)
    session.flush()
    assert session.scalars(select(Member)).all() == []
    assert session.scalars(select(Key)).all() == []
    assert site.created_by == owner.id


def test_the_settings_of_a_site_have_the_contracts_defaults(session: AppSession) -> None:
    site = Site(organization_id=make_organization().id, name="n", domain="d.example")
    session.add(site)
    session.flush()
    switches = {name for name, value in vars(site).items() if isinstance(value, bool) and value}
    assert switches == {
        "block_bots",
        "track_outbound",
        "track_url_params",
        "track_initial_page_view",
        "track_spa_navigation",
    }
    assert site.excluded_ips == site.excluded_countries == []
    assert len(site.secret) == 32


def test_two_sites_have_different_ids_and_secrets(session: AppSession) -> None:
    one, other = make_site(), make_site()
    assert one.id != other.id
    assert one.secret != other.secret


@pytest.mark.parametrize(
    ("revoked", "expires", "active"),
    [
        (None, None, True),
        (None, NOON + timedelta(milliseconds=1), True),
        (None, NOON, False),
        (NOON - timedelta(days=1), None, False),
        (NOON - timedelta(days=1), NOON + timedelta(days=1), False),
    ],
)
def test_when_a_key_is_active(revoked: datetime | None, expires: datetime | None, active: bool) -> None:
    assert Key(revoked_at=revoked, expires_at=expires).is_active(NOON) is active


def test_a_key_without_scopes_has_null_there(session: AppSession) -> None:
    make_tracking_key()
    assert session.scalar(text("select count(*) from rybbit_key where scopes is null")) == 1


def test_who_is_an_admin() -> None:
    assert [role for role in Role if role.is_admin] == [Role.OWNER, Role.ADMIN]


def test_roles_are_kept_as_their_values(session: AppSession) -> None:
    make_organization()
    assert session.scalar(text("select role from rybbit_member")) == "owner"


def test_a_day_has_one_salt(session: AppSession) -> None:
    session.add(DaySalt(day=NOON.date(), salt=b"1" * 32))
    session.flush()
    session.expunge_all()
    session.add(DaySalt(day=NOON.date(), salt=b"2" * 32))
    with pytest.raises(IntegrityError):
        session.flush()


def test_every_change_that_tracking_depends_on_raises_the_revision(session: AppSession) -> None:
    organization = make_organization()
    numbers = [_revision(session)]
    site = make_site(organization)
    numbers.append(_revision(session))
    key, _ = make_tracking_key(site)
    numbers.append(_revision(session))
    site.block_bots = False
    session.flush()
    numbers.append(_revision(session))
    key.revoked_at = NOON
    session.flush()
    numbers.append(_revision(session))
    make_member(organization)
    numbers.append(_revision(session))
    organization.name = "Other"
    session.flush()
    numbers.append(_revision(session))
    session.delete(site)
    session.flush()
    numbers.append(_revision(session))
    assert numbers == sorted(set(numbers))


def test_what_tracking_does_not_depend_on_leaves_the_revision_alone(session: AppSession) -> None:
    site = make_site()
    key, _ = make_tracking_key(site)
    account = make_account()
    before = _revision(session)
    account.name = "Somebody else"
    site.block_bots = bool(site.block_bots)
    session.add(DaySalt(day=NOON.date(), salt=b"1" * 32))
    session.execute(update(Key).where(Key.id == key.id).values(last_used_at=NOON))
    session.flush()
    assert _revision(session) == before


def test_the_revision_is_raised_in_the_transaction_of_the_change(
    session: AppSession, other_session: Session
) -> None:
    site = make_site()
    session.commit()
    before = _revision(other_session)
    other_session.rollback()
    site.public = True
    session.flush()
    assert _revision(other_session) == before
    other_session.rollback()
    session.rollback()
    assert _revision(other_session) == before
    other_session.rollback()
    site.public = True
    session.commit()
    assert _revision(other_session) == before + 1


def test_the_revision_can_be_raised_by_hand(session: AppSession, other_session: Session) -> None:
    bump_revision(session)
    session.commit()
    bump_revision(other_session)
    other_session.commit()
    assert _revision(session) == 2


def test_organizations_of_one_name_are_two(session: AppSession) -> None:
    make_organization(name="Acme")
    make_organization(name="Acme")
    assert len(session.scalars(select(Organization)).all()) == 2
