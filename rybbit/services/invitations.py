"""Invitations: links with which people join an organization."""

from datetime import timedelta

from sqlalchemy import select

from rybbit import clock, security
from rybbit.errors import Forbidden, NotFound
from rybbit.extensions import db
from rybbit.ingest.payload_details import is_storable
from rybbit.models import Account, Invitation, Organization, Role, bump_revision
from rybbit.services import audit
from rybbit.services.actor import COMMAND, Actor, actor_of_account
from rybbit.services.emails import compared_email, normalise_email
from rybbit.services.organizations import add_member, require_owner_for

INVITATION_LIFE = timedelta(days=7)
"""How long an invitation can be accepted."""


def create_invitation(
    organization: Organization, *, role: Role = Role.MEMBER, email: str | None = None, actor: Actor = COMMAND
) -> tuple[Invitation, str]:
    """Invite somebody, or only whoever has an email address; returns it with the token of its link.

    Raises:
        InvalidInput: `email` is unfit.
        Forbidden: somebody who is no owner invites an owner.
    """
    require_owner_for(role, organization.id, actor)
    address = None if email is None else normalise_email(email)
    token = security.make_token()
    now = clock.now()
    invitation = Invitation(
        token_hash=security.hash_key(token),
        organization_id=organization.id,
        role=role,
        email=address,
        created_by=actor.id,
        created_at=now,
        expires_at=now + INVITATION_LIFE,
    )
    db.session.add(invitation)
    db.session.flush()
    _record(actor, "invitation.create", invitation, {"role": (None, role)})
    return invitation, token


def invitation_url(base_url: str, token: str) -> str:
    """The link; `base_url` is the configured address of the server, never what a request names."""
    return f"{base_url.rstrip('/')}/invitation/{token}"


def find_invitation(token: str) -> Invitation | None:
    """The invitation of a token, if it can be accepted; None for a wrong, used or expired one."""
    token_hash = security.hash_key(token)
    invitation = db.session.scalar(
        select(Invitation)
        .where(Invitation.token_hash == token_hash)
        .execution_options(populate_existing=True)
    )
    return invitation if invitation is not None and invitation.is_open(clock.now()) else None


def check_invitation(token: str, email: str) -> Invitation:
    """The invitation of a token, for somebody with this email address.

    Raises:
        NotFound: it cannot be accepted, or never could.
        Forbidden: it is for another email address.
    """
    invitation = find_invitation(token)
    if invitation is None:
        raise NotFound("Invitation not found")
    if not is_meant(invitation, email):
        raise Forbidden("This invitation is for another email address")
    return invitation


def is_meant(invitation: Invitation, email: str) -> bool:
    """Whether an invitation is for whoever has this email address."""
    return invitation.email is None or compared_email(invitation.email) == compared_email(email)


def accept_invitation(token: str, account: Account, *, address: str = "") -> Organization:
    """Make an account a member with the token of an invitation, which is used up; `address` is for the audit.

    Raises:
        NotFound: it cannot be accepted, or never could.
        Forbidden: it is for another email address.
        Conflict: the account is a member already; the invitation stays open.
    """
    # Before it is read: of two who accept at once, the second sees that it is used.
    bump_revision(db.session)
    invitation = check_invitation(token, account.email)
    organization = db.session.get_one(Organization, invitation.organization_id)
    add_member(
        organization,
        account,
        role=invitation.role,
        actor=actor_of_account(account, address),
        by_invitation=True,
    )
    invitation.accepted_at = clock.now()
    db.session.flush()
    return organization


def invitations_of(organization: Organization) -> list[Invitation]:
    """The invitations that can be accepted now, the oldest first."""
    query = select(Invitation).where(
        Invitation.organization_id == organization.id,
        Invitation.accepted_at.is_(None),
        Invitation.revoked_at.is_(None),
        Invitation.expires_at > clock.now(),
    )
    return list(db.session.scalars(query.order_by(Invitation.created_at, Invitation.id)))


def invitation_for(organization: Organization, invitation_id: str) -> Invitation:
    """The invitation of an organization with this id.

    Raises:
        NotFound: there is none, or it is another organization's.
    """
    invitation = db.session.get(Invitation, invitation_id) if is_storable(invitation_id) else None
    if invitation is None or invitation.organization_id != organization.id:
        raise NotFound("Invitation not found")
    return invitation


def revoke_invitation(invitation: Invitation, *, actor: Actor = COMMAND) -> None:
    """End an invitation; nothing happens if it has ended."""
    bump_revision(db.session)
    db.session.refresh(invitation)
    if invitation.accepted_at is None and invitation.revoked_at is None:
        invitation.revoked_at = clock.now()
        db.session.flush()
        _record(actor, "invitation.revoke", invitation)


def _record(actor: Actor, action: str, invitation: Invitation, changes: audit.Changes | None = None) -> None:
    target = f"{invitation.id} {invitation.email or ''}".strip()
    audit.record(actor, action, organization_id=invitation.organization_id, target=target, changes=changes)
