"""The audit log: every change is in it, with who and what, and without secrets."""

from typing import Any

import pytest
from sqlalchemy import select, text
from sqlalchemy.orm import scoped_session

from rybbit.models import AuditEntry, Organization, Role, Site
from rybbit.services import audit, invitations, keys, links, organizations, site_access, sites
from rybbit.services.actor import COMMAND, ActorKind, actor_of_account, actor_of_key
from tests.factories import make_account, make_member, make_organization, make_site

AppSession = scoped_session[Any]

pytestmark = pytest.mark.usefixtures("session")


def _actions(holder: Organization | Site) -> list[str]:
    return [entry.action for entry in reversed(audit.entries_of(holder))]


def test_a_person_is_noted_with_address_and_values() -> None:
    ann = make_account(email="ann@example.com")
    site = make_site(make_organization(owner=ann), domain="old.example", blockBots=True)
    actor = actor_of_account(ann, "203.0.113.5")
    sites.update_site(site, {"domain": "new.example", "blockBots": False, "trackIp": False}, actor=actor)
    entry = audit.entries_of(site)[0]
    assert (entry.actor_kind, entry.actor_id, entry.actor_name) == (
        ActorKind.ACCOUNT,
        ann.id,
        "ann@example.com",
    )
    assert (entry.address, entry.action, entry.target) == ("203.0.113.5", "site.update", "new.example")
    assert entry.changes == {"domain": ["old.example", "new.example"], "blockBots": [True, False]}
    assert (entry.organization_id, entry.site_id) == (site.organization_id, site.site_id)


def test_a_key_is_noted_with_its_person() -> None:
    ann = make_account(email="ann@example.com")
    site = make_site(make_organization(owner=ann))
    key, _ = keys.create_account_key(ann, name="ci")
    sites.update_site(site, {"public": True}, actor=actor_of_key(key) or COMMAND)
    entry = audit.entries_of(site)[0]
    assert (entry.actor_kind, entry.actor_id, entry.actor_name) == (
        ActorKind.KEY,
        key.id,
        "ci (ann@example.com)",
    )


def test_the_longest_names_fit() -> None:
    ann = make_account(email="a" * 242 + "@example.com")
    site = make_site(make_organization(owner=ann))
    key, _ = keys.create_account_key(ann, name="x" * 255)
    actor = actor_of_key(key, "9" * 100)
    assert actor is not None
    made, _ = keys.create_tracking_key(site, name="y" * 255, actor=actor)
    entry = audit.entries_of(site)[0]
    assert entry.actor_name == f"{'x' * 255} ({ann.email})"
    assert entry.target.startswith(made.id)


def test_what_changes_nothing_is_not_noted() -> None:
    site = make_site(public=True)
    before = _actions(site)
    sites.update_site(site, {"public": True})
    site_access.unlimit_site(site)
    links.revoke_link(site)
    assert _actions(site) == before


def test_every_change_of_a_site_is_noted() -> None:
    organization = make_organization()
    member = make_member(organization)
    site = make_site(organization)
    key, _ = keys.create_tracking_key(site)
    keys.revoke_key(key)
    keys.revoke_key(key)
    links.generate_link(site)
    links.revoke_link(site)
    site_access.limit_site(site)
    site_access.allow_member(site, member)
    site_access.allow_member(site, member)
    site_access.disallow_member(site, member)
    site_access.disallow_member(site, member)
    site_access.unlimit_site(site)
    assert _actions(site) == [
        "site.create",
        "key.create",
        "key.revoke",
        "link.generate",
        "link.revoke",
        "site.restrict",
        "site.member.allow",
        "site.member.disallow",
        "site.open",
    ]


def test_every_change_of_an_organization_is_noted() -> None:
    organization = make_organization()
    ann = make_member(organization, Role.ADMIN)
    organizations.rename_organization(organization, "Other")
    organizations.rename_organization(organization, " Other ")
    organizations.set_role(organization, ann, Role.MEMBER)
    organizations.remove_member(organization, ann, actor=actor_of_account(ann))
    invitation, _ = invitations.create_invitation(organization)
    invitations.revoke_invitation(invitation)
    _, token = invitations.create_invitation(organization)
    invitations.accept_invitation(token, make_account())
    keys.revoke_key(keys.create_organization_key(organization)[0])
    assert _actions(organization) == [
        "organization.create",
        "member.add",
        "member.add",
        "organization.update",
        "member.role",
        "member.leave",
        "invitation.create",
        "invitation.revoke",
        "invitation.create",
        "member.add",
        "key.create",
        "key.revoke",
    ]


def test_no_secret_is_noted(session: AppSession) -> None:
    organization = make_organization()
    site = make_site(organization)
    secrets = [
        keys.create_tracking_key(site)[1],
        keys.create_organization_key(organization)[1],
        invitations.create_invitation(organization)[1],
        links.generate_link(site),
        site.secret.hex(),
    ]
    rows = str(session.execute(text("select * from rybbit_audit")).all())
    assert [secret for secret in secrets if secret in rows] == []


def test_a_site_keeps_its_entries_to_itself_and_its_organization() -> None:
    organization = make_organization()
    one, other = make_site(organization), make_site(organization)
    make_site()
    assert {entry.site_id for entry in audit.entries_of(one)} == {one.site_id}
    found = audit.entries_of(organization)
    assert {entry.organization_id for entry in found} == {organization.id}
    assert {entry.site_id for entry in found} == {None, one.site_id, other.site_id}


def test_pages_follow_each_other_without_a_gap() -> None:
    site = make_site()
    for number in range(7):
        sites.update_site(site, {"name": f"Name {number}"})
    whole = [entry.id for entry in audit.entries_of(site)]
    assert whole == sorted(whole, reverse=True)
    pages: list[int] = []
    while page := audit.entries_of(site, limit=3, before=pages[-1] if pages else None):
        assert len(page) <= 3
        pages += [entry.id for entry in page]
    assert pages == whole


def test_an_entry_is_undone_with_its_change(session: AppSession) -> None:
    site = make_site()
    session.commit()
    before = len(audit.entries_of(site))
    sites.update_site(site, {"public": True})
    session.rollback()
    assert len(audit.entries_of(site)) == before


def test_the_entries_of_a_deleted_site_stay(session: AppSession) -> None:
    site = make_site(domain="gone.example")
    number, organization_id = site.site_id, site.organization_id
    sites.delete_site(site)
    session.commit()
    query = select(AuditEntry).where(AuditEntry.site_id == number).order_by(AuditEntry.id)
    found = session.scalars(query).all()
    assert [entry.action for entry in found] == ["site.create", "site.delete"]
    assert found[-1].target == "gone.example"
    assert audit.entries_of(organizations.organization_for(organization_id))[0].id == found[-1].id
