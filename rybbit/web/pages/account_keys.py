"""The keys with which programs act for one's account."""

from typing import Any

from flask import Blueprint, Response, url_for

from rybbit.errors import InvalidInput
from rybbit.extensions import db
from rybbit.models import Key
from rybbit.services import keys
from rybbit.web.htmx import add_toast, show, show_change
from rybbit.web.pages.guards import current_account, current_person
from rybbit.web.pages.key_forms import SCOPES, LimitedKeyForm, keys_shown

blueprint = Blueprint("account_keys", __name__, url_prefix="/account/keys")

_PAGES = "signed_in.account_keys"


@blueprint.get("")
def index() -> Response:
    """The keys, and a form to make one."""
    return _show(LimitedKeyForm(formdata=None))


@blueprint.post("")
def create() -> Response:
    """Make a key, and show it this once.

    Without JavaScript too the answer is the page itself: after a redirect the key would have to be kept.
    """
    form = LimitedKeyForm()
    try:
        token = _create(form)
    except InvalidInput as error:
        form.show_errors(error, names={"expiresAt": "ends"})
        return _show(form, status=422)
    db.session.commit()
    add_toast("Key made")
    return _show(LimitedKeyForm(formdata=None), token=token)


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
        "account_keys/_keys.html",
        to=url_for(".index"),
        toast="Key revoked",
        **_context(LimitedKeyForm(formdata=None)),
    )


def _create(form: LimitedKeyForm) -> str:
    scopes, ends = form.read_limits()
    _, token = keys.create_account_key(
        current_account(), name=form.name.data or "", scopes=scopes, expires_at=ends, actor=current_person()
    )
    return token


def _key(key_id: str) -> Key:
    return keys.key_for(key_id, holder=current_account())


def _show(form: LimitedKeyForm, *, status: int = 200, token: str | None = None) -> Response:
    context = _context(form) | {"token": token}
    return show("account_keys/index.html", "account_keys/_keys.html", status=status, **context)


def _context(form: LimitedKeyForm) -> dict[str, Any]:
    return {"form": form, "scope_names": SCOPES, "pages": _PAGES, **keys_shown(current_account())}
