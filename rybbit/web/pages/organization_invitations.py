"""Invitations to an organization: made, shown once, taken back."""

from typing import Any

from flask import Blueprint, Response, request, url_for
from wtforms import EmailField, SelectField

from rybbit.errors import Forbidden, InvalidInput
from rybbit.extensions import db
from rybbit.models import Invitation, Role
from rybbit.services import invitations
from rybbit.web.access import current_runtime
from rybbit.web.htmx import add_toast, show, show_change
from rybbit.web.mailed_links import mail_invitation
from rybbit.web.pages.forms import PageForm, choices_of, trim
from rybbit.web.pages.guards import current_organization, current_person, current_role
from rybbit.web.pages.members import ROLES, grantable_roles

blueprint = Blueprint("organization_invitations", __name__, url_prefix="/invitations")


class InvitationForm(PageForm):
    """Who is invited, and as what."""

    email = EmailField("Email (optional)")
    role = SelectField("Role", choices=choices_of(ROLES), default=Role.MEMBER.value)


@blueprint.get("")
def index() -> Response:
    """The invitations that are open, and a form to make one."""
    return _show(_form())


@blueprint.post("")
def create() -> Response:
    """Make a link, mail it where that is possible, and show it this once."""
    form = InvitationForm()
    try:
        invitation, token = _create(form)
    except (InvalidInput, Forbidden) as error:
        _show_errors(form, error)
        return _show(form, status=422)
    db.session.commit()
    # Whoever asks sees the address that they came by; mail names only the one that is configured.
    url = invitations.invitation_url(current_runtime().config.base_url or request.url_root, token)
    mailed_to = invitation.email if invitation.email and _mail(invitation.email, url) else None
    add_toast("Invitation made")
    return _show(_form(), url=url, mailed_to=mailed_to)


@blueprint.get("/<invitation_id>/revoke")
def ask(invitation_id: str) -> Response:
    """Ask whether an invitation shall end, where there are no scripts for a dialog."""
    invitation = invitations.invitation_for(current_organization(), invitation_id)
    return show("organization_invitations/revoke.html", invitation=invitation)


@blueprint.post("/<invitation_id>/revoke")
def revoke(invitation_id: str) -> Response:
    """End an invitation."""
    invitation = invitations.invitation_for(current_organization(), invitation_id)
    invitations.revoke_invitation(invitation, actor=current_person())
    db.session.commit()
    return show_change(
        "organization_invitations/_list.html",
        to=url_for(".index"),
        toast="Invitation revoked",
        **_context(_form()),
    )


def _create(form: InvitationForm) -> tuple[Invitation, str]:
    if form.role.data not in ROLES:
        raise InvalidInput({"role": ["Choose one of the roles"]})
    return invitations.create_invitation(
        current_organization(),
        role=Role(form.role.data),
        email=trim(form.email.data) or None,
        actor=current_person(),
    )


def _form() -> InvitationForm:
    return InvitationForm(formdata=None)


def _mail(email: str, url: str) -> bool:
    return mail_invitation(email, url=url, organization=current_organization().name)


def _show_errors(form: InvitationForm, error: InvalidInput | Forbidden) -> None:
    if isinstance(error, Forbidden):
        error = InvalidInput({"role": ["Only an owner may invite an owner"]})
    form.show_errors(error)


def _show(form: InvitationForm, *, status: int = 200, **more: Any) -> Response:
    return show(
        "organization_invitations/index.html",
        "organization_invitations/_list.html",
        status=status,
        **_context(form),
        **more,
    )


def _context(form: InvitationForm) -> dict[str, Any]:
    form.role.choices = choices_of(grantable_roles())
    return {
        "form": form,
        "organization": current_organization(),
        "role": current_role(),
        "role_names": ROLES,
        "invitations": invitations.invitations_of(current_organization()),
    }
