"""Restricted sites, and private links."""

import re
from typing import Any

import pytest
from sqlalchemy import Engine, select, update
from sqlalchemy.orm import Session, scoped_session

from rybbit import security
from rybbit.errors import NotFound
from rybbit.models import Organization, Revision, Role, Site, SiteMember
from rybbit.services import keys, links, organizations, site_access
from rybbit.services.actor import COMMAND, Actor, actor_of_account, actor_of_key
from tests.factories import make_account, make_member, make_organization, make_site

AppSession = scoped_session[Any]


def _people(organization: Organization) -> dict[str, Actor]:
    key, _ = keys.create_organization_key(organization)
    actor = actor_of_key(key)
    assert actor is not None
    roles = {role.value: actor_of_account(make_member(organization, role)) for role in Role}
    return roles | {"key": actor, "stranger": actor_of_account(make_account()), "command": COMMAND}


@pytest.mark.usefixtures("session")
class TestRestricted:
    """A site may be limited to some members."""

    def test_who_sees_an_open_site(self) -> None:
        site = make_site(organization := make_organization())
        people = _people(organization)
        assert {name: site_access.accessible_role(actor, site) for name, actor in people.items()} == {
            "owner": Role.OWNER,
            "admin": Role.ADMIN,
            "member": Role.MEMBER,
            "key": Role.ADMIN,
            "stranger": None,
            "command": Role.OWNER,
        }

    def test_a_restricted_site_is_closed_to_members_alone(self) -> None:
        site = make_site(organization := make_organization())
        people = _people(organization)
        site_access.limit_site(site)
        closed = [name for name, actor in people.items() if site_access.accessible_role(actor, site) is None]
        assert closed == ["member", "stranger"]
        site_access.unlimit_site(site)
        assert site_access.accessible_role(people["member"], site) is Role.MEMBER

    def test_a_member_on_the_list_sees_it(self) -> None:
        organization = make_organization()
        site, other = make_site(organization), make_site(organization)
        ann, bob = make_member(organization), make_member(organization)
        for each in (site, other):
            site_access.limit_site(each)
        site_access.allow_member(site, ann)
        assert site_access.allowed_members(site) == [ann]
        assert site_access.accessible_role(actor_of_account(ann), site) is Role.MEMBER
        assert site_access.accessible_role(actor_of_account(ann), other) is None
        assert site_access.accessible_role(actor_of_account(bob), site) is None
        site_access.disallow_member(site, ann)
        assert site_access.accessible_role(actor_of_account(ann), site) is None

    def test_strangers_are_not_listed(self) -> None:
        with pytest.raises(NotFound, match="Member not found"):
            site_access.allow_member(make_site(), make_account())

    def test_who_leaves_loses_the_place_on_the_list(self) -> None:
        organization = make_organization()
        site, ann = make_site(organization), make_member(organization)
        elsewhere = make_organization(owner=ann)
        kept = make_site(elsewhere)
        for each in (site, kept):
            site_access.allow_member(each, ann)
        organizations.remove_member(organization, ann)
        organizations.add_member(organization, ann, role=Role.MEMBER)
        assert site_access.allowed_members(site) == []
        assert site_access.allowed_members(kept) == [ann]

    def test_lists_and_counts_hold_what_one_can_see(self) -> None:
        organization = make_organization()
        people = _people(organization)
        plain, closed, listed = (make_site(organization) for _ in range(3))
        make_site()
        for each in (closed, listed):
            site_access.limit_site(each)
        ann = organizations.member_for(organization, people["member"].account_id or "")
        site_access.allow_member(listed, ann)
        seen = {name: site_access.accessible_sites(actor, organization.id) for name, actor in people.items()}
        whole = [plain, closed, listed]
        assert seen == {
            "owner": whole,
            "admin": whole,
            "member": [plain, listed],
            "key": whole,
            "stranger": [],
            "command": whole,
        }
        counts = {
            name: [
                each.sites
                for each in organizations.organizations_for(actor)
                if each.organization == organization
            ]
            for name, actor in people.items()
        }
        assert counts == {name: [len(found)] if found else [] for name, found in seen.items()}

    def test_the_list_raises_the_revision(self, session: AppSession) -> None:
        organization = make_organization()
        site, ann = make_site(organization), make_member(organization)
        session.commit()
        numbers = [session.scalar(select(Revision.number)) or 0]
        for change in (
            lambda: site_access.limit_site(site),
            lambda: site_access.allow_member(site, ann),
            lambda: site_access.disallow_member(site, ann),
        ):
            change()
            session.commit()
            numbers.append(session.scalar(select(Revision.number)) or 0)
        assert numbers == sorted(set(numbers))

    def test_a_deleted_site_takes_its_list_along(self, session: AppSession) -> None:
        organization = make_organization()
        site = make_site(organization)
        site_access.allow_member(site, make_member(organization))
        session.delete(site)
        session.flush()
        assert session.scalars(select(SiteMember)).all() == []


@pytest.mark.usefixtures("session")
class TestLinks:
    """Private links."""

    def test_a_link_opens_its_site(self) -> None:
        site, other = make_site(), make_site()
        assert site.private_link_key is None
        key = links.generate_link(site)
        assert re.fullmatch(r"[0-9a-f]{12}", key)
        assert links.site_for_link(key) is site
        assert links.opens(site, key)
        assert not links.opens(other, key)

    def test_generating_replaces(self) -> None:
        site = make_site()
        old, new = links.generate_link(site), links.generate_link(site)
        assert links.site_for_link(old) is None
        assert not links.opens(site, old)
        assert links.site_for_link(new) is site

    def test_revoking_ends_it(self) -> None:
        site = make_site()
        key = links.generate_link(site)
        links.revoke_link(site)
        assert links.site_for_link(key) is None
        assert not links.opens(site, key)

    @pytest.mark.parametrize(
        "key", ["", "0" * 12, "x" * 1000, "\0" * 12, "\ud800" * 12, "²" * 12, "' or 1=1 --"]
    )
    def test_a_wrong_key_opens_nothing(self, key: str) -> None:
        without, site = make_site(), make_site()
        links.generate_link(site)
        assert links.site_for_link(key) is None
        assert not links.opens(site, key)
        assert not links.opens(without, key)

    def test_a_key_of_another_case_is_wrong(self) -> None:
        site = make_site()
        while (key := links.generate_link(site)) == key.upper():
            pass
        assert links.site_for_link(key.upper()) is None
        assert not links.opens(site, key.upper())

    def test_two_sites_never_have_one_key(self, monkeypatch: pytest.MonkeyPatch) -> None:
        taken, free = "a" * 12, "b" * 12
        offered = iter([taken, taken, free])
        monkeypatch.setattr(security, "make_link_key", lambda: next(offered))
        assert links.generate_link(make_site()) == taken
        assert links.generate_link(make_site()) == free

    def test_the_last_change_of_another_process_counts(self, session: AppSession, engine: Engine) -> None:
        site = make_site()
        session.commit()
        assert site.private_link_key is None
        with engine.begin() as other:
            other.execute(update(Site).values(private_link_key="c" * 12))
        links.revoke_link(site)
        session.commit()
        with Session(engine) as other_session:
            assert other_session.scalar(select(Site.private_link_key)) is None

    def test_the_link_of_a_site_that_is_gone(self, session: AppSession, engine: Engine) -> None:
        site = make_site()
        session.commit()
        with Session(engine) as other:
            other.delete(other.get_one(Site, site.site_id))
            other.commit()
        with pytest.raises(NotFound, match="Site not found"):
            links.generate_link(site)
