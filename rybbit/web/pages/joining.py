"""The page that the link of an invitation leads to: to join with an account, or with a new one."""

from flask import Blueprint, Response, url_for
from wtforms import EmailField, PasswordField, StringField

from rybbit.errors import Conflict, Forbidden, InvalidInput, NotFound
from rybbit.extensions import db
from rybbit.models import Account, Invitation, Organization
from rybbit.services import accounts, invitations, organizations
from rybbit.web.access import client_address
from rybbit.web.guesses import current_guesses
from rybbit.web.htmx import lead_to, show
from rybbit.web.pages.beginnings import begin_session
from rybbit.web.pages.forms import PageForm, trim
from rybbit.web.pages.guards import current_account
from rybbit.web.pages.organizations import page_of
from rybbit.web.pages.sign_up import show_refusal
from rybbit.web.sign_in import csrf_token_for, signed_in_session

blueprint = Blueprint("joining", __name__, url_prefix="/invitation/<token>")
# Behind `signed_in`: joining with the account that there is.
accepting = Blueprint("accepting", __name__, url_prefix="/invitation/<token>")


class JoinForm(PageForm):
    """A new account for somebody who is invited."""

    email = EmailField("Email")
    name = StringField("Your name")
    password = PasswordField("Password")


@blueprint.get("")
def index(token: str) -> Response:
    """What the invitation is to, and how to join."""
    invitation = _find(token)
    if invitation is None:
        return _show_broken()
    return _show(JoinForm(formdata=None, email=invitation.email), invitation, token)


@blueprint.post("")
def sign_up(token: str) -> Response:
    """Make an account that belongs to the organization, and sign it in."""
    form = JoinForm()
    invitation = _find(token)
    if invitation is None:
        return _show_broken()
    organization_id = invitation.organization_id
    try:
        account = accounts.sign_up(
            invitation.email or trim(form.email.data),
            password=form.password.data or "",
            name=trim(form.name.data),
            invitation=token,
            address=client_address(),
        )
    except (InvalidInput, Conflict) as error:
        show_refusal(form, error)
        return _show(form, invitation, token, status=422)
    return begin_session(account, to=page_of(organization_id), toast="Welcome")


@accepting.post("/accept")
def accept(token: str) -> Response:
    """Join with the account that is signed in."""
    current_guesses().count_address(client_address())
    try:
        organization = invitations.accept_invitation(token, current_account(), address=client_address())
    except NotFound:
        return _show_broken()
    except (Forbidden, Conflict) as error:
        # The page says it too, and what to do.
        return lead_to(url_for("public.joining.index", token=token), toast=str(error), kind="error")
    organization_id, name = organization.id, organization.name
    db.session.commit()
    return lead_to(page_of(organization_id), toast=f"You belong to {name} now")


def _find(token: str) -> Invitation | None:
    current_guesses().count_address(client_address())
    return invitations.find_invitation(token)


def _show(form: JoinForm, invitation: Invitation, token: str, *, status: int = 200) -> Response:
    session = signed_in_session()
    account = None
    if session is not None:
        # The form leads behind a guard, which wants a token that is the session's own.
        csrf_token_for(session)
        account = db.session.get_one(Account, session.account_id)
    organization = db.session.get_one(Organization, invitation.organization_id)
    has_account = invitation.email is not None and accounts.account_by_email(invitation.email) is not None
    return show(
        "joining/index.html",
        "joining/_form.html",
        status=status,
        form=form,
        token=token,
        invitation=invitation,
        organization=organization,
        account=account,
        has_account=has_account,
        is_for_another=account is not None and not invitations.is_meant(invitation, account.email),
        is_member=account is not None and organizations.role_of(account, organization.id) is not None,
    )


def _show_broken() -> Response:
    return show("joining/broken.html", "joining/_broken.html", status=404)
