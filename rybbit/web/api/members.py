"""Who belongs to an organization, and who is invited."""

from flask import Blueprint, Response

from rybbit.extensions import db
from rybbit.models import Account, Organization, Scope
from rybbit.services import invitations, organizations
from rybbit.web.access import (
    ALL,
    admin_organization,
    client_address,
    current_account,
    current_actor,
    current_runtime,
    member_organization,
)
from rybbit.web.api.description import Done, describe, shown
from rybbit.web.api.organization_models import (
    InvitationAnswer,
    InvitationBody,
    MemberAnswer,
    NewInvitationAnswer,
    OrganizationAnswer,
    RoleBody,
    TokenBody,
    show_member,
    show_membership,
    show_new_invitation,
)
from rybbit.web.bodies import body_as
from rybbit.web.guesses import current_guesses
from rybbit.web.mailed_links import mail_invitation

blueprint = Blueprint("members", __name__, url_prefix="/api")


@blueprint.get("/organizations/<organization_id>/members")
@describe("List members", answer=list[MemberAnswer], scope=Scope.SITES_READ)
def list_members(organization_id: str) -> Response:
    """The members of the organization, for each of them."""
    members = organizations.members_of(member_organization(organization_id))
    return shown([show_member(member) for member in members])


@blueprint.put("/organizations/<organization_id>/members/<account_id>")
@describe("Change a member's role", answer=Done, body=RoleBody, scope=ALL, refusals=(409,))
def set_role(organization_id: str, account_id: str) -> Response:
    """Change a role; for owners and admins, that of an owner for owners. The last owner stays one."""
    organization = admin_organization(organization_id)
    account = organizations.member_for(organization, account_id)
    organizations.set_role(organization, account, body_as(RoleBody).role, actor=current_actor())
    db.session.commit()
    return shown(Done())


@blueprint.delete("/organizations/<organization_id>/members/<account_id>")
@describe("Remove a member, or leave", answer=Done, scope=ALL, refusals=(409,))
def remove_member(organization_id: str, account_id: str) -> Response:
    """End a membership; for owners and admins, and one's own. The last owner stays."""
    organization, account = _removable(organization_id, account_id)
    organizations.remove_member(organization, account, actor=current_actor())
    db.session.commit()
    return shown(Done())


@blueprint.get("/organizations/<organization_id>/invitations")
@describe("List open invitations", answer=list[InvitationAnswer], scope=ALL)
def list_invitations(organization_id: str) -> Response:
    """The invitations that can be accepted; for owners and admins."""
    found = invitations.invitations_of(admin_organization(organization_id))
    return shown([InvitationAnswer.model_validate(invitation) for invitation in found])


@blueprint.post("/organizations/<organization_id>/invitations")
@describe(
    "Invite somebody",
    answer=NewInvitationAnswer,
    status=201,
    body=InvitationBody,
    scope=ALL,
    details="The link works once and for seven days. It is mailed to `email` where there is a mail server."
    " Only owners invite owners.",
)
def create_invitation(organization_id: str) -> Response:
    """Make a link with which somebody joins; for owners and admins."""
    organization = admin_organization(organization_id)
    body = body_as(InvitationBody)
    invitation, token = invitations.create_invitation(
        organization, role=body.role, email=body.email, actor=current_actor()
    )
    db.session.commit()
    answer = show_new_invitation(
        invitation, token, invitations.invitation_url(current_runtime().config.base_url, token)
    )
    if invitation.email is not None:
        answer.mailed = mail_invitation(invitation.email, url=answer.url, organization=organization.name)
    return shown(answer, status=201)


@blueprint.delete("/organizations/<organization_id>/invitations/<invitation_id>")
@describe("Revoke an invitation", answer=Done, scope=ALL)
def revoke_invitation(organization_id: str, invitation_id: str) -> Response:
    """End an invitation; for owners and admins."""
    organization = admin_organization(organization_id)
    invitation = invitations.invitation_for(organization, invitation_id)
    invitations.revoke_invitation(invitation, actor=current_actor())
    db.session.commit()
    return shown(Done())


@blueprint.post("/invitations/accept")
@describe(
    "Accept an invitation", answer=OrganizationAnswer, body=TokenBody, scope=ALL, refusals=(404, 409, 429)
)
def accept_invitation() -> Response:
    """Join the organization of an invitation."""
    account = current_account()
    token = body_as(TokenBody).token
    current_guesses().count_address(client_address())
    organization = invitations.accept_invitation(token, account, address=client_address())
    organization_id = organization.id
    db.session.commit()
    memberships = organizations.organizations_of(account)
    joined = next(each for each in memberships if each.organization.id == organization_id)
    return shown(show_membership(joined, current_actor()))


def _removable(organization_id: str, account_id: str) -> tuple[Organization, Account]:
    """The member to be removed: everybody may leave, and admins may remove others."""
    if current_actor().account_id == account_id:
        organization = member_organization(organization_id, scope=ALL)
    else:
        organization = admin_organization(organization_id)
    return organization, organizations.member_for(organization, account_id)
