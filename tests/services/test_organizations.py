"""Organizations, members and roles."""

import pytest

from rybbit.errors import Conflict, Forbidden, InvalidInput, NotFound
from rybbit.models import Role
from rybbit.services import keys, organizations
from rybbit.services.actor import COMMAND, Actor, actor_of_account, actor_of_key
from tests.factories import make_account, make_member, make_organization, make_site

pytestmark = pytest.mark.usefixtures("session")


def test_who_makes_an_organization_owns_it() -> None:
    ann = make_account()
    organization = organizations.create_organization("  Acme ", owner=ann)
    assert organization.id.startswith("org_")
    assert organization.name == "Acme"
    assert organizations.role_of(ann, organization.id) is Role.OWNER


@pytest.mark.parametrize("role", list(Role))
def test_a_member_has_the_role_that_was_given(role: Role) -> None:
    organization = make_organization()
    member = make_member(organization, role)
    assert organizations.role_of(member, organization.id) is role


def test_a_stranger_has_no_role() -> None:
    organization = make_organization()
    assert organizations.role_of(make_account(), organization.id) is None
    assert organizations.role_of(make_account(), "org_none") is None


def test_nobody_is_a_member_twice() -> None:
    organization = make_organization()
    ann = make_member(organization)
    with pytest.raises(Conflict, match="Already a member"):
        organizations.add_member(organization, ann, role=Role.ADMIN)
    assert organizations.role_of(ann, organization.id) is Role.MEMBER


@pytest.mark.parametrize("name", ["", "  ", "x" * 256, "a\0b", "\ud800"])
def test_an_unfit_name_is_refused(name: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        organizations.create_organization(name, owner=make_account())
    assert set(refused.value.field_errors) == {"name"}


def test_an_account_sees_its_organizations_and_no_others() -> None:
    ann = make_account()
    beta = make_organization(owner=ann, name="Beta")
    alpha = make_organization(name="Alpha")
    organizations.add_member(alpha, ann, role=Role.MEMBER)
    make_member(alpha)
    make_site(alpha)
    make_site(alpha)
    make_site(make_organization(name="Gamma"))
    found = organizations.organizations_of(ann)
    assert [(each.organization, each.role, each.members, each.sites) for each in found] == [
        (alpha, Role.MEMBER, 3, 2),
        (beta, Role.OWNER, 1, 0),
    ]
    assert organizations.organizations_of(make_account()) == []


def test_the_members_of_an_organization() -> None:
    organization = make_organization(owner=make_account(email="b@example.com"))
    ann = make_account(email="a@example.com")
    organizations.add_member(organization, ann, role=Role.ADMIN)
    make_organization()
    found = organizations.members_of(organization)
    assert [(each.account.email, each.role) for each in found] == [
        ("a@example.com", Role.ADMIN),
        ("b@example.com", Role.OWNER),
    ]


def test_an_organization_and_a_member_by_their_ids() -> None:
    organization = make_organization()
    ann, stranger = make_member(organization), make_account()
    assert organizations.organization_for(organization.id) is organization
    assert organizations.member_for(organization, ann.id) is ann
    for wrong in ("", "org_none", "\0", "\ud800"):
        with pytest.raises(NotFound, match="Organization not found"):
            organizations.organization_for(wrong)
        with pytest.raises(NotFound, match="Member not found"):
            organizations.member_for(organization, wrong)
    with pytest.raises(NotFound, match="Member not found"):
        organizations.member_for(organization, stranger.id)


def test_the_last_owner_stays_one() -> None:
    ann = make_account()
    organization = make_organization(owner=ann)
    make_member(organization, Role.ADMIN)
    for change in (
        lambda: organizations.remove_member(organization, ann),
        lambda: organizations.remove_member(organization, ann, actor=actor_of_account(ann)),
        lambda: organizations.set_role(organization, ann, Role.ADMIN),
    ):
        with pytest.raises(Conflict, match="needs an owner"):
            change()
    assert organizations.role_of(ann, organization.id) is Role.OWNER
    bob = make_member(organization, Role.OWNER)
    organizations.remove_member(organization, ann, actor=actor_of_account(ann))
    assert organizations.role_of(ann, organization.id) is None
    assert organizations.owner_of(organization) is bob


def test_the_owner_of_longest_standing() -> None:
    ann = make_account()
    organization = make_organization(owner=ann)
    make_member(organization, Role.OWNER)
    assert organizations.owner_of(organization) is ann


def test_who_is_no_owner_makes_and_changes_none() -> None:
    organization = make_organization()
    owner, admin, member = (make_member(organization, role) for role in Role)
    key = actor_of_key(keys.create_organization_key(organization)[0])
    assert key is not None
    for actor in (actor_of_account(admin), key):
        for change in (
            lambda actor: organizations.set_role(organization, member, Role.OWNER, actor=actor),
            lambda actor: organizations.set_role(organization, admin, Role.OWNER, actor=actor),
            lambda actor: organizations.set_role(organization, owner, Role.MEMBER, actor=actor),
            lambda actor: organizations.remove_member(organization, owner, actor=actor),
            lambda actor: organizations.add_member(
                organization, make_account(), role=Role.OWNER, actor=actor
            ),
        ):
            with pytest.raises(Forbidden):
                change(actor)
    assert [organizations.role_of(each, organization.id) for each in (owner, admin, member)] == list(Role)
    organizations.set_role(organization, member, Role.OWNER, actor=actor_of_account(owner))
    assert organizations.role_of(member, organization.id) is Role.OWNER


def test_an_admin_changes_and_removes_others() -> None:
    organization = make_organization()
    admin, member = make_member(organization, Role.ADMIN), make_member(organization)
    actor = actor_of_account(admin)
    organizations.set_role(organization, member, Role.ADMIN, actor=actor)
    organizations.remove_member(organization, member, actor=actor)
    assert organizations.role_of(member, organization.id) is None


def test_who_is_no_member_cannot_be_changed() -> None:
    organization, stranger = make_organization(), make_account()
    with pytest.raises(NotFound, match="Member not found"):
        organizations.set_role(organization, stranger, Role.ADMIN)
    with pytest.raises(NotFound, match="Member not found"):
        organizations.remove_member(organization, stranger)


def test_what_an_actor_has_to_do_with() -> None:
    ann = make_account()
    acme, beta = make_organization(owner=ann, name="Acme"), make_organization(name="Beta")
    make_site(acme)
    key, _ = keys.create_organization_key(acme)
    account_key, _ = keys.create_account_key(ann)

    def seen(actor: Actor | None) -> list[tuple[str, Role, int, int]]:
        assert actor is not None
        found = organizations.organizations_for(actor)
        return [(each.organization.id, each.role, each.members, each.sites) for each in found]

    assert seen(actor_of_key(key)) == [(acme.id, Role.ADMIN, 1, 1)]
    assert seen(actor_of_key(account_key)) == seen(actor_of_account(ann)) == [(acme.id, Role.OWNER, 1, 1)]
    assert seen(COMMAND) == [(acme.id, Role.OWNER, 1, 1), (beta.id, Role.OWNER, 1, 0)]
    assert organizations.list_organizations() == [acme, beta]
