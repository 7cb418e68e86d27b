"""Organizations, their members and roles."""

from dataclasses import dataclass

from sqlalchemy import func, select

from rybbit.errors import Conflict
from rybbit.extensions import db
from rybbit.models import Account, Member, Organization, Role, Site, bump_revision
from rybbit.services.validation import check_name


@dataclass(frozen=True)
class Membership:
    """An organization as one of its members sees it, with the numbers of its members and sites."""

    organization: Organization
    role: Role
    members: int
    sites: int


def create_organization(name: str, *, owner: Account) -> Organization:
    """Make an organization whose only member is its owner.

    Raises:
        InvalidInput: the name is unfit.
    """
    organization = Organization(name=check_name(name))
    db.session.add(organization)
    db.session.flush()
    add_member(organization, owner, role=Role.OWNER)
    return organization


def add_member(organization: Organization, account: Account, *, role: Role) -> Member:
    """Make an account a member.

    Raises:
        Conflict: it is one already.
    """
    bump_revision(db.session)
    if role_of(account, organization.id) is not None:
        raise Conflict("Already a member")
    member = Member(organization_id=organization.id, account_id=account.id, role=role)
    db.session.add(member)
    db.session.flush()
    return member


def role_of(account: Account, organization_id: str) -> Role | None:
    """The role of an account in an organization; None for a stranger."""
    return db.session.scalar(
        select(Member.role).where(Member.account_id == account.id, Member.organization_id == organization_id)
    )


def organizations_of(account: Account) -> list[Membership]:
    """The organizations that an account belongs to, by name."""
    members = (
        select(func.count())
        .select_from(Member)
        .where(Member.organization_id == Organization.id)
        .scalar_subquery()
    )
    sites = (
        select(func.count())
        .select_from(Site)
        .where(Site.organization_id == Organization.id)
        .scalar_subquery()
    )
    rows = db.session.execute(
        select(Organization, Member.role, members.correlate(Organization), sites.correlate(Organization))
        .join(Member, Member.organization_id == Organization.id)
        .where(Member.account_id == account.id)
        .order_by(Organization.name, Organization.id)
    )
    return [Membership(organization, role, people, count) for organization, role, people, count in rows]
