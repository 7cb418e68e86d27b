"""The keys with which programs act for an organization."""

from typing import Any

from flask import Blueprint, Response, url_for
from wtforms import RadioField

from rybbit.errors import InvalidInput
from rybbit.extensions import db
from rybbit.models import Key
from rybbit.services import keys
from rybbit.web.htmx import add_toast, show, show_change
from rybbit.web.pages.guards import current_organization, current_person, current_role
from rybbit.web.pages.key_forms import SCOPES, LimitedKeyForm, choose_access, keys_shown

blueprint = Blueprint("organization_keys", __name__, url_prefix="/keys")

_PAGES = "organization_admin.organization_keys"


class OrganizationKeyForm(LimitedKeyForm):
    """A key to be made, which belongs to no person."""

    access = RadioField("Access", **choose_access("Everything that an admin may do"))


@blueprint.get("")
def index() -> Response:
    """The keys, and a form to make one."""
    return _show(OrganizationKeyForm(formdata=None))


@blueprint.post("")
def create() -> Response:
    """Make a key, and show it this once."""
    form = OrganizationKeyForm()
    try:
        scopes, ends = form.read_limits()
        _, token = keys.create_organization_key(
            current_organization(),
            name=form.name.data or "",
            scopes=scopes,
            expires_at=ends,
            actor=current_person(),
        )
    except InvalidInput as error:
        form.show_errors(error, names={"expiresAt": "ends"})
        return _show(form, status=422)
    db.session.commit()
    add_toast("Key made")
    return _show(OrganizationKeyForm(formdata=None), token=token)


@blueprint.get("/<key_id>/revoke")
def ask(key_id: str) -> Response:
    """Ask whether a key shall end, where there are no scripts for a dialog."""
    return show("account_keys/revoke.html", key=_key(key_id), pages=_PAGES)


@blueprint.post("/<key_id>/revoke")
def revoke(key_id: str) -> Response:
    """End a key."""
    keys.revoke_key(_key(key_id), actor=current_person())
    db.session.commit()
    return show_change(
        "organization_keys/_keys.html",
        to=url_for(".index"),
        toast="Key revoked",
        **_context(OrganizationKeyForm(formdata=None)),
    )


def _key(key_id: str) -> Key:
    return keys.key_for(key_id, holder=current_organization())


def _show(form: OrganizationKeyForm, *, status: int = 200, token: str | None = None) -> Response:
    context = _context(form) | {"token": token}
    return show("organization_keys/index.html", "organization_keys/_keys.html", status=status, **context)


def _context(form: OrganizationKeyForm) -> dict[str, Any]:
    return {
        **keys_shown(current_organization()),
        "form": form,
        "scope_names": SCOPES,
        "pages": _PAGES,
        "organization": current_organization(),
        "role": current_role(),
    }
