"""Who may see a site: its organization, or of its members only some."""

from dataclasses import dataclass

from sqlalchemy import delete, or_, select
from sqlalchemy.sql import ColumnElement

from rybbit.errors import NotFound
from rybbit.extensions import db
from rybbit.models import (
    Account,
    Member,
    Organization,
    Role,
    Site,
    SiteMember,
    bump_revision,
    insert_for,
)
from rybbit.services import audit
from rybbit.services.actor import COMMAND, Actor


@dataclass(frozen=True)
class SeenSite:
    """A site as one of the people who can see it does."""

    site: Site
    organization: Organization
    role: Role


def accessible_role(actor: Actor, site: Site) -> Role | None:
    """The actor's role in the site's organization; None for whom the site does not exist.

    These are strangers, and members to whom a restricted site is closed.
    """
    role = actor.role_in(site.organization_id)
    if role is Role.MEMBER and site.restricted and not _is_listed(site, actor.account_id):
        return None
    return role


def accessible_sites(actor: Actor, organization_id: str) -> list[Site]:
    """The sites of an organization that the actor can see, the oldest first; none for a stranger."""
    role = actor.role_in(organization_id)
    if role is None:
        return []
    query = select(Site).where(Site.organization_id == organization_id)
    if not role.is_admin:
        query = query.where(seen_by_member(actor.account_id))
    return list(db.session.scalars(query.order_by(Site.site_id)))


def sites_of(account: Account) -> list[SeenSite]:
    """The sites of all organizations that an account can see, by the names of both."""
    query = (
        select(Site, Organization, Member.role)
        .join(Organization, Organization.id == Site.organization_id)
        .join(Member, Member.organization_id == Organization.id)
        .where(Member.account_id == account.id, or_(Member.role != Role.MEMBER, seen_by_member(account.id)))
        .order_by(Organization.name, Organization.id, Site.name, Site.site_id)
    )
    return [SeenSite(site, organization, role) for site, organization, role in db.session.execute(query)]


def seen_by_member(account_id: str | None) -> ColumnElement[bool]:
    """The condition of the sites that a mere member of their organization can see."""
    listed = select(SiteMember.site_id).where(SiteMember.account_id == account_id)
    return or_(Site.restricted.is_(False), Site.site_id.in_(listed))


def allowed_members(site: Site) -> list[Account]:
    """The members who are listed for a site, by email address."""
    query = select(Account).join(SiteMember, SiteMember.account_id == Account.id)
    return list(db.session.scalars(query.where(SiteMember.site_id == site.site_id).order_by(Account.email)))


def limit_site(site: Site, *, actor: Actor = COMMAND) -> None:
    """Close a site to the members who are not listed."""
    _set_restricted(site, True, actor)


def unlimit_site(site: Site, *, actor: Actor = COMMAND) -> None:
    """Open a site to every member; who is listed stays listed for another time."""
    _set_restricted(site, False, actor)


def allow_member(site: Site, account: Account, *, actor: Actor = COMMAND) -> None:
    """List a member for a site; nothing happens if they are listed.

    Raises:
        NotFound: the account is no member of the site's organization.
    """
    bump_revision(db.session)
    if db.session.get(Member, (site.organization_id, account.id), populate_existing=True) is None:
        raise NotFound("Member not found")
    if _is_listed(site, account.id):
        return
    insert = insert_for(db.session.connection().dialect.name, SiteMember)
    db.session.execute(insert.values(site_id=site.site_id, account_id=account.id))
    _record(actor, "site.member.allow", site, account)


def disallow_member(site: Site, account: Account, *, actor: Actor = COMMAND) -> None:
    """Take a member off the list of a site; nothing happens if they are not on it."""
    bump_revision(db.session)
    if not _is_listed(site, account.id):
        return
    db.session.execute(
        delete(SiteMember).where(SiteMember.site_id == site.site_id, SiteMember.account_id == account.id)
    )
    _record(actor, "site.member.disallow", site, account)


def _set_restricted(site: Site, restricted: bool, actor: Actor) -> None:
    bump_revision(db.session)
    db.session.refresh(site)
    if site.restricted is restricted:
        return
    site.restricted = restricted
    db.session.flush()
    audit.record(
        actor,
        "site.restrict" if restricted else "site.open",
        organization_id=site.organization_id,
        site_id=site.site_id,
        target=site.domain,
        changes={"restricted": (not restricted, restricted)},
    )


def _record(actor: Actor, action: str, site: Site, account: Account) -> None:
    audit.record(
        actor, action, organization_id=site.organization_id, site_id=site.site_id, target=account.email
    )


def _is_listed(site: Site, account_id: str | None) -> bool:
    found = db.session.scalar(
        select(SiteMember.site_id).where(
            SiteMember.site_id == site.site_id, SiteMember.account_id == account_id
        )
    )
    return found is not None
