"""The keys with which programs act for one's account."""

from datetime import timedelta

from flask import Blueprint, Response, url_for
from wtforms import RadioField, SelectField, StringField

from rybbit import clock
from rybbit.errors import InvalidInput
from rybbit.extensions import db
from rybbit.models import Key, Scope
from rybbit.services import keys
from rybbit.web.htmx import add_toast, show, show_change
from rybbit.web.pages.forms import PageForm, TickField, choices_of
from rybbit.web.pages.guards import current_account, current_person

blueprint = Blueprint("account_keys", __name__, url_prefix="/account/keys")

_ALL, _LIMITED = "all", "limited"
SCOPES = {
    Scope.TRACK.value: "Send events",
    Scope.STATS_READ.value: "Read statistics",
    Scope.SITES_READ.value: "See sites and their settings",
    Scope.SITES_WRITE.value: "Make, change and delete sites",
}
_LIVES = {"": "Never", "30": "In 30 days", "90": "In 90 days", "365": "In a year"}


class KeyForm(PageForm):
    """A key to be made."""

    name = StringField("Name")
    access = RadioField(
        "Access",
        choices=choices_of({_ALL: "Everything that you may do", _LIMITED: "Only what is ticked"}),
        default=_ALL,
    )
    scopes = TickField("What it may do", choices=choices_of(SCOPES))
    ends = SelectField("Ends", choices=choices_of(_LIVES), default="")


@blueprint.get("")
def index() -> Response:
    """The keys, and a form to make one."""
    return _show(KeyForm(formdata=None))


@blueprint.post("")
def create() -> Response:
    """Make a key, and show it this once.

    Without JavaScript too the answer is the page itself: after a redirect the key would have to be kept.
    """
    form = KeyForm()
    try:
        token = _create(form)
    except InvalidInput as error:
        form.show_errors(error, names={"expiresAt": "ends"})
        return _show(form, status=422)
    db.session.commit()
    add_toast("Key made")
    return _show(KeyForm(formdata=None), token=token)


@blueprint.get("/<key_id>/revoke")
def ask(key_id: str) -> Response:
    """Ask whether a key shall end, where there are no scripts for a dialog."""
    return show("account_keys/revoke.html", key=_key(key_id))


@blueprint.post("/<key_id>/revoke")
def revoke(key_id: str) -> Response:
    """End a key."""
    keys.revoke_key(_key(key_id), actor=current_person())
    db.session.commit()
    return show_change(
        "account_keys/_keys.html",
        to=url_for(".index"),
        toast="Key revoked",
        **_context(KeyForm(formdata=None)),
    )


def _create(form: KeyForm) -> str:
    if not form.validate():
        # Choices that the page does not offer.
        raise InvalidInput
    scopes = None if form.access.data == _ALL else form.scopes.data or []
    ends = clock.now() + timedelta(days=int(form.ends.data)) if form.ends.data else None
    _, token = keys.create_account_key(
        current_account(), name=form.name.data or "", scopes=scopes, expires_at=ends, actor=current_person()
    )
    return token


def _key(key_id: str) -> Key:
    return keys.key_for(key_id, holder=current_account())


def _show(form: KeyForm, *, status: int = 200, token: str | None = None) -> Response:
    context = _context(form) | {"token": token}
    return show("account_keys/index.html", "account_keys/_keys.html", status=status, **context)


def _context(form: KeyForm) -> dict[str, object]:
    now = clock.now()
    # Those that ended come last; they stay to be recognised in logs.
    found = sorted(keys.list_keys(current_account()), key=lambda key: not key.is_active(now))
    return {"form": form, "keys": found, "now": now, "scope_names": SCOPES}
