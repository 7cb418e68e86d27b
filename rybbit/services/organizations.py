"""Organizations, their members and roles. Invitations are in `invitations.py`, keys in `keys.py`."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ScalarSelect, delete, func, or_, select, update

from rybbit import clock
from rybbit.errors import Conflict, Forbidden, NotFound
from rybbit.extensions import db
from rybbit.ingest.payload_details import is_storable
from rybbit.models import (
    Account,
    ActorKind,
    Invitation,
    Key,
    Member,
    Organization,
    Role,
    Site,
    SiteMember,
    bump_revision,
)
from rybbit.services import audit
from rybbit.services.actor import COMMAND, Actor
from rybbit.services.site_access import seen_by_member
from rybbit.services.validation import check_name

_LAST_OWNER = "An organization needs an owner; make somebody else one first"


@dataclass(frozen=True)
class Membership:
    """An organization as one of its members sees it, with how many members and visible sites it has."""

    organization: Organization
    role: Role
    members: int
    sites: int


@dataclass(frozen=True)
class OrganizationMember:
    """An account in an organization."""

    account: Account
    role: Role
    since: datetime


def create_organization(name: str, *, owner: Account, actor: Actor = COMMAND) -> Organization:
    """Make an organization whose only member is its owner.

    Raises:
        InvalidInput: the name is unfit.
    """
    organization = Organization(name=check_name(name))
    db.session.add(organization)
    db.session.flush()
    _record(actor, "organization.create", organization.id, organization.name)
    _add(organization, owner, Role.OWNER, actor)
    return organization


def rename_organization(organization: Organization, name: str, *, actor: Actor = COMMAND) -> None:
    """Give an organization another name.

    Raises:
        InvalidInput: the name is unfit.
    """
    new, old = check_name(name), organization.name
    if new != old:
        organization.name = new
        db.session.flush()
        _record(actor, "organization.update", organization.id, new, {"name": (old, new)})


def organization_for(organization_id: str) -> Organization:
    """The organization with this id.

    Raises:
        NotFound: there is none.
    """
    organization = db.session.get(Organization, organization_id) if is_storable(organization_id) else None
    if organization is None:
        raise NotFound("Organization not found")
    return organization


def list_organizations() -> list[Organization]:
    """Every organization of the instance, by name; for the operator."""
    return list(db.session.scalars(select(Organization).order_by(Organization.name, Organization.id)))


def add_member(
    organization: Organization,
    account: Account,
    *,
    role: Role,
    actor: Actor = COMMAND,
    by_invitation: bool = False,
) -> Member:
    """Make an account a member; `by_invitation` when the right to do so was checked before.

    Raises:
        Forbidden: somebody who is no owner makes an owner.
        Conflict: it is one already.
    """
    if not by_invitation:
        require_owner_for(role, organization.id, actor)
    return _add(organization, account, role, actor)


def set_role(organization: Organization, account: Account, role: Role, *, actor: Actor = COMMAND) -> None:
    """Change the role of a member; the open invitations of who is no admin any more are revoked.

    Raises:
        NotFound: the account is no member.
        Forbidden: somebody who is no owner makes an owner, or changes one.
        Conflict: it is the last owner.
    """
    member = _lock_member(organization, account)
    old = member.role
    if old is role:
        return
    require_owner_for(old, organization.id, actor)
    require_owner_for(role, organization.id, actor)
    _refuse_last_owner(member)
    member.role = role
    db.session.flush()
    if not role.is_admin:
        _revoke_invitations_by(member)
    _record(actor, "member.role", organization.id, account.email, {"role": (old, role)})


def remove_member(organization: Organization, account: Account, *, actor: Actor = COMMAND) -> None:
    """End a membership, with the member's place on lists of restricted sites and open invitations.

    Everybody may leave; the account, its keys and its other organizations stay.

    Raises:
        NotFound: the account is no member.
        Forbidden: somebody who is no owner removes an owner.
        Conflict: it is the last owner.
    """
    member = _lock_member(organization, account)
    leaves = actor.account_id == account.id
    if not leaves:
        require_owner_for(member.role, organization.id, actor)
    _refuse_last_owner(member)
    _revoke_invitations_by(member)
    sites = select(Site.site_id).where(Site.organization_id == organization.id)
    db.session.execute(
        delete(SiteMember).where(SiteMember.account_id == account.id, SiteMember.site_id.in_(sites))
    )
    changes = {"role": (member.role, None)}
    db.session.delete(member)
    db.session.flush()
    _record(actor, "member.leave" if leaves else "member.remove", organization.id, account.email, changes)


def require_owner_for(role: Role, organization_id: str, actor: Actor) -> None:
    """Let only owners give, take and change the role of an owner; for other roles everybody passes.

    Raises:
        Forbidden: the actor is no owner.
    """
    if role is Role.OWNER and actor.role_in(organization_id) is not Role.OWNER:
        raise Forbidden("Only an owner may do this to an owner")


def owner_of(organization: Organization) -> Account:
    """Who has owned an organization for longest."""
    query = select(Account).join(Member, Member.account_id == Account.id)
    owners = query.where(Member.organization_id == organization.id, Member.role == Role.OWNER)
    return db.session.scalars(owners.order_by(Member.created_at, Account.id).limit(1)).one()


def role_of(account: Account, organization_id: str) -> Role | None:
    """The role of an account in an organization; None for a stranger."""
    return db.session.scalar(
        select(Member.role).where(Member.account_id == account.id, Member.organization_id == organization_id)
    )


def members_of(organization: Organization) -> list[OrganizationMember]:
    """The members of an organization, by email address."""
    rows = db.session.execute(
        select(Account, Member.role, Member.created_at)
        .join(Member, Member.account_id == Account.id)
        .where(Member.organization_id == organization.id)
        .order_by(Account.email)
    )
    return [OrganizationMember(account, role, since) for account, role, since in rows]


def member_for(organization: Organization, account_id: str) -> Account:
    """The member of an organization with this account id.

    Raises:
        NotFound: there is none.
    """
    account = db.session.get(Account, account_id) if is_storable(account_id) else None
    if account is None or role_of(account, organization.id) is None:
        raise NotFound("Member not found")
    return account


def organizations_of(account: Account) -> list[Membership]:
    """The organizations that an account belongs to, by name."""
    rows = db.session.execute(
        select(Organization, Member.role, _count_members(), _count_seen_sites(account))
        .join(Member, Member.organization_id == Organization.id)
        .where(Member.account_id == account.id)
        .order_by(Organization.name, Organization.id)
    )
    return [Membership(organization, role, people, count) for organization, role, people, count in rows]


def organizations_for(actor: Actor) -> list[Membership]:
    """The organizations that an actor has to do with, by name: for a key of an organization, that one."""
    if actor.account_id is not None:
        return organizations_of(db.session.get_one(Account, actor.account_id))
    query = select(Organization, _count_members(), _count_sites())
    if actor.kind is not ActorKind.COMMAND:
        query = query.where(Organization.id == actor.organization_id)
    rows = db.session.execute(query.order_by(Organization.name, Organization.id))
    role = Role.OWNER if actor.kind is ActorKind.COMMAND else Role.ADMIN
    return [Membership(organization, role, people, count) for organization, people, count in rows]


def _add(organization: Organization, account: Account, role: Role, actor: Actor) -> Member:
    bump_revision(db.session)
    if role_of(account, organization.id) is not None:
        raise Conflict("Already a member")
    member = Member(organization_id=organization.id, account_id=account.id, role=role)
    db.session.add(member)
    db.session.flush()
    _record(actor, "member.add", organization.id, account.email, {"role": (None, role)})
    return member


def _lock_member(organization: Organization, account: Account) -> Member:
    """The membership as the last change left it; every other change waits until the commit."""
    bump_revision(db.session)
    member = db.session.get(Member, (organization.id, account.id), populate_existing=True)
    if member is None:
        raise NotFound("Member not found")
    return member


def _refuse_last_owner(member: Member) -> None:
    if member.role is not Role.OWNER:
        return
    others = select(Member.account_id).where(
        Member.organization_id == member.organization_id,
        Member.role == Role.OWNER,
        Member.account_id != member.account_id,
    )
    if db.session.scalar(others.limit(1)) is None:
        raise Conflict(_LAST_OWNER)


def _revoke_invitations_by(member: Member) -> None:
    """End the invitations with which somebody who was removed could let themselves in again."""
    keys = select(Key.id).where(Key.account_id == member.account_id)
    db.session.execute(
        update(Invitation)
        .where(
            Invitation.organization_id == member.organization_id,
            or_(Invitation.created_by == member.account_id, Invitation.created_by.in_(keys)),
            Invitation.accepted_at.is_(None),
            Invitation.revoked_at.is_(None),
        )
        .values(revoked_at=clock.now())
    )


def _count_members() -> ScalarSelect[int]:
    query = select(func.count()).select_from(Member).where(Member.organization_id == Organization.id)
    return query.correlate(Organization).scalar_subquery()


def _count_sites() -> ScalarSelect[int]:
    query = select(func.count()).select_from(Site).where(Site.organization_id == Organization.id)
    return query.correlate(Organization).scalar_subquery()


def _count_seen_sites(account: Account) -> ScalarSelect[int]:
    query = (
        select(func.count())
        .select_from(Site)
        .where(
            Site.organization_id == Organization.id,
            or_(Member.role != Role.MEMBER, seen_by_member(account.id)),
        )
    )
    return query.correlate(Organization, Member).scalar_subquery()


def _record(
    actor: Actor, action: str, organization_id: str, target: str, changes: audit.Changes | None = None
) -> None:
    audit.record(actor, action, organization_id=organization_id, target=target, changes=changes)
