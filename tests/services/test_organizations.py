"""Organizations, members and roles."""

import pytest

from rybbit.errors import Conflict, InvalidInput
from rybbit.models import Role
from rybbit.services import organizations
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
