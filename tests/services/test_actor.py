"""Who acts, and what that lets them do."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy.orm import scoped_session

from rybbit import clock
from rybbit.errors import Forbidden, InvalidInput
from rybbit.models import Key, Role, Scope
from rybbit.services import keys
from rybbit.services.actor import COMMAND, ActorKind, actor_of_account, actor_of_key, actor_of_session
from rybbit.services.sign_in import start_session
from tests.factories import make_account, make_member, make_organization, make_tracking_key

AppSession = scoped_session[Any]

pytestmark = pytest.mark.usefixtures("session")


def test_a_tracking_key_acts_for_nobody() -> None:
    key, _ = make_tracking_key()
    assert actor_of_key(key) is None


@pytest.mark.parametrize("role", list(Role))
def test_the_key_of_an_account_has_the_accounts_roles(role: Role) -> None:
    organization, other = make_organization(), make_organization()
    member = make_member(organization, role)
    key, _ = keys.create_account_key(member, name="ci")
    actor = actor_of_key(key, "192.0.2.1")
    assert actor is not None
    assert (actor.kind, actor.id, actor.name, actor.address) == (ActorKind.KEY, key.id, "ci", "192.0.2.1")
    assert actor.role_in(organization.id) is role
    assert actor.role_in(other.id) is None
    assert all(actor.may(scope) for scope in Scope)


def test_the_key_of_an_organization_is_an_admin_of_it_alone() -> None:
    owner = make_account()
    organization, other = make_organization(owner=owner), make_organization(owner=owner)
    key, _ = keys.create_organization_key(organization)
    actor = actor_of_key(key)
    assert actor is not None
    assert actor.account_id is None
    assert actor.role_in(organization.id) is Role.ADMIN
    assert actor.role_in(other.id) is None


def test_scopes_limit_a_key() -> None:
    key, _ = keys.create_account_key(make_account(), scopes=["stats:read", "track", "track"])
    assert key.scopes == ["track", "stats:read"]
    actor = actor_of_key(key)
    assert actor is not None
    assert [scope for scope in Scope if actor.may(scope)] == [Scope.TRACK, Scope.STATS_READ]


@pytest.mark.parametrize("scopes", [[], ["sites"], ["track", "TRACK"], ["\ud800"]])
def test_unknown_scopes_are_refused_by_name(session: AppSession, scopes: list[str]) -> None:
    with pytest.raises(InvalidInput) as refused:
        keys.create_account_key(make_account(), scopes=scopes)
    assert set(refused.value.field_errors) == {"scopes"}
    assert session.query(Key).count() == 0


def test_a_key_cannot_make_one_that_may_do_more() -> None:
    ann = make_account()
    organization = make_organization(owner=ann)
    key, _ = keys.create_account_key(ann, scopes=["sites:read", "stats:read"])
    actor = actor_of_key(key)
    assert actor is not None
    for scopes in (None, ["sites:write"], ["sites:read", "track"]):
        with pytest.raises(Forbidden):
            keys.create_account_key(ann, scopes=scopes, actor=actor)
        with pytest.raises(Forbidden):
            keys.create_organization_key(organization, scopes=scopes, actor=actor)
    less, _ = keys.create_account_key(ann, scopes=["stats:read"], actor=actor)
    assert less.scopes == ["stats:read"]


def test_a_key_cannot_make_one_that_lasts_longer() -> None:
    ann = make_account()
    end = clock.now() + timedelta(days=1)
    key, _ = keys.create_account_key(ann, expires_at=end)
    actor = actor_of_key(key)
    assert actor is not None
    for wrong in (None, end + timedelta(seconds=1)):
        with pytest.raises(Forbidden):
            keys.create_account_key(ann, expires_at=wrong, actor=actor)
    assert keys.create_account_key(ann, expires_at=end, actor=actor)[0].expires_at == end


def test_an_end_lies_in_the_future() -> None:
    with pytest.raises(InvalidInput) as refused:
        keys.create_account_key(make_account(), expires_at=clock.now())
    assert set(refused.value.field_errors) == {"expiresAt"}


def test_a_session_acts_for_its_account() -> None:
    ann = make_account()
    organization = make_organization(owner=ann)
    started, _ = start_session(ann, address="", user_agent="")
    actor = actor_of_session(started, "192.0.2.1")
    assert actor == actor_of_account(ann, "192.0.2.1")
    assert (actor.kind, actor.id, actor.name) == (ActorKind.ACCOUNT, ann.id, ann.email)
    assert actor.role_in(organization.id) is Role.OWNER


def test_the_command_line_owns_everything() -> None:
    assert COMMAND.role_in(make_organization().id) is Role.OWNER
    assert COMMAND.id is None
    assert all(COMMAND.may(scope) for scope in Scope)
