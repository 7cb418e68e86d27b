"""Settings of a site: who may read its statistics without being a member."""

from flask import Blueprint, Response, url_for
from wtforms import BooleanField

from rybbit.extensions import db
from rybbit.services import links
from rybbit.web.htmx import show, show_change
from rybbit.web.pages.guards import current_person, current_site
from rybbit.web.pages.settings_form import SettingsForm

blueprint = Blueprint("sharing", __name__, url_prefix="/settings/sharing")
changes = Blueprint("sharing", __name__, url_prefix="/settings/sharing")

_PAGE = "site_sharing/index.html"
_PUBLIC, _LINK = "site_sharing/_public.html", "site_sharing/_link.html"


class PublicForm(SettingsForm):
    """Whether anybody may read the statistics."""

    public = BooleanField("Public statistics")


@blueprint.get("")
def index() -> Response:
    """Both ways to share."""
    return show(_PAGE, form=PublicForm.of(current_site()))


@changes.post("/public")
def save_public() -> Response:
    """Open the statistics to anybody, or close them."""
    form = PublicForm()
    if not form.save(current_site(), actor=current_person()):
        return show(_PAGE, _PUBLIC, status=422, form=form)
    db.session.commit()
    toast = "The statistics are public" if current_site().public else "The statistics are not public"
    return show_change(_PUBLIC, to=_address(), toast=toast, form=PublicForm.of(current_site()))


@changes.post("/link")
def generate() -> Response:
    """Make a private key; the one before ends at once."""
    links.generate_link(current_site(), actor=current_person())
    db.session.commit()
    return show_change(_LINK, to=_address(), toast="Private key made")


@changes.get("/link/<any(replace, revoke):action>")
def ask(action: str) -> Response:
    """Ask whether the key shall end, where there are no scripts for a dialog."""
    return show("site_sharing/ask.html", revoking=action == "revoke")


@changes.post("/link/revoke")
def revoke() -> Response:
    """End the private key."""
    links.revoke_link(current_site(), actor=current_person())
    db.session.commit()
    return show_change(_LINK, to=_address(), toast="Private key revoked")


def _address() -> str:
    return url_for("site_member.sharing.index")
