"""Keys: made, found, used, revoked."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, select, text
from sqlalchemy.orm import scoped_session

from rybbit import clock, security
from rybbit.errors import InvalidInput, NotFound
from rybbit.models import Revision, Role
from rybbit.services import keys, organizations
from rybbit.services.actor import actor_of_account
from tests.factories import make_account, make_member, make_organization, make_site, make_tracking_key

AppSession = scoped_session[Any]


def test_a_token_is_found_and_kept_nowhere(session: AppSession) -> None:
    site = make_site()
    key, token = keys.create_tracking_key(site, name=" CI ")
    assert security.looks_like_key(token)
    assert keys.find_key(token) is key
    assert (key.name, key.site_id, key.account_id, key.scopes) == ("CI", site.site_id, None, None)
    rows = session.execute(text("select * from rybbit_key")).all()
    assert token not in str(rows)
    assert token[3:] not in str(rows)


def test_an_account_key_has_scopes_and_an_end(session: AppSession) -> None:
    account = make_account()
    end = clock.now() + timedelta(days=1)
    key, token = keys.create_account_key(account, scopes=["stats:read"], expires_at=end)
    session.expire_all()
    assert keys.find_key(token) is key
    assert (key.account_id, key.site_id, key.scopes, key.expires_at) == (
        account.id,
        None,
        ["stats:read"],
        end,
    )


@pytest.mark.usefixtures("session")
@pytest.mark.parametrize("token", ["", "rb_", "rb_" + "0" * 32, "nonsense", "rb_\0", "\ud800", "x" * 100_000])
def test_a_wrong_token_finds_nothing(token: str) -> None:
    make_tracking_key()
    assert keys.find_key(token) is None


@pytest.mark.usefixtures("session")
def test_the_hash_of_a_token_is_no_token() -> None:
    key, _ = make_tracking_key()
    assert keys.find_key(key.token_hash) is None


@pytest.mark.usefixtures("session")
def test_a_revoked_key_is_not_found_and_keeps_the_moment() -> None:
    key, token = make_tracking_key()
    keys.revoke_key(key)
    moment = key.revoked_at
    assert moment is not None
    assert keys.find_key(token) is None
    keys.revoke_key(key)
    assert key.revoked_at == moment


@pytest.mark.usefixtures("session")
def test_an_expired_key_is_not_found(monkeypatch: pytest.MonkeyPatch) -> None:
    end = clock.now() + timedelta(minutes=1)
    _, token = keys.create_account_key(make_account(), expires_at=end)
    assert keys.find_key(token) is not None
    monkeypatch.setattr(clock, "now", lambda: end)
    assert keys.find_key(token) is None


@pytest.mark.usefixtures("session")
@pytest.mark.parametrize("name", ["", " ", "x" * 256, "\0", "\ud800"])
def test_an_unfit_name_is_refused(name: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        keys.create_tracking_key(make_site(), name=name)
    assert set(refused.value.field_errors) == {"name"}


@pytest.mark.usefixtures("session")
def test_a_key_by_its_id() -> None:
    key, _ = make_tracking_key()
    assert keys.key_for(key.id) is key
    for wrong in ("", "key_none", "\0", "\ud800"):
        with pytest.raises(NotFound, match="Key not found"):
            keys.key_for(wrong)


@pytest.mark.usefixtures("session")
def test_the_keys_of_a_site() -> None:
    site, other = make_site(), make_site()
    mine = [make_tracking_key(site)[0] for _ in range(3)]
    make_tracking_key(other)
    assert set(keys.list_keys(site)) == set(mine)
    assert len(keys.list_keys()) == 4


def test_uses_are_noted_in_bulk_and_only_forwards(session: AppSession, engine: Engine) -> None:
    made = [make_tracking_key()[0] for _ in range(3)]
    session.commit()
    before = session.scalar(select(Revision.number))
    session.rollback()
    early, late = clock.now() - timedelta(hours=1), clock.now()
    with engine.begin() as connection:
        keys.record_key_uses(connection, {made[0].id: late, made[1].id: early, "key_gone": late})
    with engine.begin() as connection:
        keys.record_key_uses(connection, {made[0].id: early, made[1].id: late})
        keys.record_key_uses(connection, {})
    session.expire_all()
    assert [key.last_used_at for key in made] == [late, late, None]
    assert session.scalar(select(Revision.number)) == before


@pytest.mark.usefixtures("session")
def test_each_holder_has_keys_of_its_own() -> None:
    ann = make_account()
    organization = make_organization(owner=ann)
    site = make_site(organization)
    holders = (site, ann, organization)
    made = (
        keys.create_tracking_key(site)[0],
        keys.create_account_key(ann)[0],
        keys.create_organization_key(organization)[0],
    )
    for holder, key in zip(holders, made, strict=True):
        assert keys.list_keys(holder) == [key]
        assert keys.key_for(key.id, holder=holder) is key
        for other in set(made) - {key}:
            with pytest.raises(NotFound, match="Key not found"):
                keys.key_for(other.id, holder=holder)
    for stranger in (make_site(), make_account(), make_organization()):
        with pytest.raises(NotFound, match="Key not found"):
            keys.key_for(made[0].id, holder=stranger)


@pytest.mark.usefixtures("session")
def test_the_key_of_an_organization_stays_when_its_maker_leaves() -> None:
    organization = make_organization()
    ann = make_member(organization, Role.ADMIN)
    _, token = keys.create_organization_key(organization, actor=actor_of_account(ann))
    organizations.remove_member(organization, ann)
    assert keys.find_key(token) is not None
