"""The keys with which servers send events of a site."""

from typing import Any

from flask import Blueprint, Response, url_for
from wtforms import StringField

from rybbit.errors import InvalidInput
from rybbit.extensions import db
from rybbit.models import Key
from rybbit.services import keys
from rybbit.web.htmx import add_toast, show, show_change
from rybbit.web.pages.forms import PageForm
from rybbit.web.pages.guards import current_person, current_site
from rybbit.web.pages.key_forms import keys_shown

blueprint = Blueprint("site_keys", __name__, url_prefix="/settings/keys")
changes = Blueprint("site_keys", __name__, url_prefix="/settings/keys")

_PAGE, _PART = "site_keys/index.html", "site_keys/_keys.html"


class KeyForm(PageForm):
    """A key to be made."""

    name = StringField("Name")


@blueprint.get("")
def index() -> Response:
    """The keys, and a form to make one."""
    return show(_PAGE, _PART, **_context(KeyForm(formdata=None)))


@changes.post("")
def create() -> Response:
    """Make a key, and show it this once; without scripts, too, the answer is the page itself."""
    form = KeyForm()
    try:
        _, token = keys.create_tracking_key(current_site(), name=form.name.data or "", actor=current_person())
    except InvalidInput as error:
        form.show_errors(error)
        return show(_PAGE, _PART, status=422, **_context(form))
    db.session.commit()
    add_toast("Key made")
    return show(_PAGE, _PART, **_context(KeyForm(formdata=None)), token=token)


@changes.get("/<key_id>/revoke")
def ask(key_id: str) -> Response:
    """Ask whether a key shall end, where there are no scripts for a dialog."""
    return show("site_keys/revoke.html", key=_key(key_id))


@changes.post("/<key_id>/revoke")
def revoke(key_id: str) -> Response:
    """End a key."""
    keys.revoke_key(_key(key_id), actor=current_person())
    db.session.commit()
    return show_change(
        _PART,
        to=url_for("site_member.site_keys.index"),
        toast="Key revoked",
        **_context(KeyForm(formdata=None)),
    )


def _key(key_id: str) -> Key:
    return keys.key_for(key_id, holder=current_site())


def _context(form: KeyForm) -> dict[str, Any]:
    return {"form": form, **keys_shown(current_site())}
