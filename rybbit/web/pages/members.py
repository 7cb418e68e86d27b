"""Who belongs to an organization, and as what."""

from typing import Any

from flask import Blueprint, Response, request, url_for

from rybbit.errors import Conflict, Forbidden, InvalidInput
from rybbit.extensions import db
from rybbit.models import Role
from rybbit.services import organizations
from rybbit.web.htmx import lead_to, show, show_change
from rybbit.web.pages.guards import current_account, current_organization, current_person, current_role

# Behind `organization_member`: everybody sees the others, and may leave.
blueprint = Blueprint("members", __name__)
# Behind `organization_admin`.
changes = Blueprint("member_changes", __name__, url_prefix="/members/<account_id>")

ROLES = {
    Role.OWNER.value: "Owner",
    Role.ADMIN.value: "Admin",
    Role.MEMBER.value: "Member",
}


@blueprint.get("")
def index() -> Response:
    """The list."""
    return _show()


@blueprint.get("/leave")
def ask_to_leave() -> Response:
    """Ask whether somebody means it, where there are no scripts for a dialog."""
    return show("members/leave.html", organization=current_organization())


@blueprint.post("/leave")
def leave() -> Response:
    """End one's own membership."""
    organization = current_organization()
    name = organization.name
    try:
        organizations.remove_member(organization, current_account(), actor=current_person())
    except Conflict as error:
        return _show_refusal(error)
    db.session.commit()
    return lead_to(url_for("signed_in.organizations.index"), toast=f"You left {name}")


@changes.post("/role")
def set_role(account_id: str) -> Response:
    """Change what a member may do."""
    account = organizations.member_for(current_organization(), account_id)
    try:
        role = _read_role()
        organizations.set_role(current_organization(), account, role, actor=current_person())
    except (Conflict, Forbidden, InvalidInput) as error:
        return _show_refusal(error)
    toast = f"{account.email} is {ROLES[role].lower()} now"
    db.session.commit()
    if account_id == current_account().id:
        # There is more or less to see for them now, all over the page.
        return lead_to(_list_page(), toast=toast)
    return _show_change(toast)


@changes.get("/remove")
def ask_to_remove(account_id: str) -> Response:
    """Ask whether a member shall go, where there are no scripts for a dialog."""
    account = organizations.member_for(current_organization(), account_id)
    return show("members/remove.html", account=account, organization=current_organization())


@changes.post("/remove")
def remove(account_id: str) -> Response:
    """End the membership of somebody else."""
    account = organizations.member_for(current_organization(), account_id)
    if account.id == current_account().id:
        return leave()
    try:
        organizations.remove_member(current_organization(), account, actor=current_person())
    except (Conflict, Forbidden) as error:
        return _show_refusal(error)
    toast = f"{account.email} was removed"
    db.session.commit()
    return _show_change(toast)


def grantable_roles() -> dict[str, str]:
    """The roles that whoever is signed in may give; only owners make owners."""
    return {name: text for name, text in ROLES.items() if name != Role.OWNER or current_role() is Role.OWNER}


def _read_role() -> Role:
    text = request.form.get("role", "")
    if text not in ROLES:
        raise InvalidInput(form_errors=["Choose one of the roles"])
    return Role(text)


def _list_page() -> str:
    return url_for("organization_member.members.index")


def _show_change(toast: str) -> Response:
    return show_change("members/_list.html", to=_list_page(), toast=toast, **_context())


def _show_refusal(error: Conflict | Forbidden | InvalidInput) -> Response:
    db.session.rollback()
    return _show(status=422, error=str(error))


def _show(*, status: int = 200, error: str = "") -> Response:
    return show("members/index.html", "members/_list.html", status=status, **_context(), error=error)


def _context() -> dict[str, Any]:
    found = organizations.members_of(current_organization())
    owners = [member for member in found if member.role is Role.OWNER]
    return {
        "organization": current_organization(),
        "members": found,
        "role": current_role(),
        "roles": grantable_roles(),
        "role_names": ROLES,
        "me": current_account().id,
        "is_only_owner": [member.account.id for member in owners] == [current_account().id],
    }
