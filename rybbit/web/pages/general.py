"""Settings of a site: what it is called, who may read it, and its end."""

from flask import Blueprint, Response, request, url_for
from wtforms import BooleanField, StringField

from rybbit.extensions import db
from rybbit.services import sites
from rybbit.web.access import current_runtime
from rybbit.web.htmx import lead_to, show, show_change
from rybbit.web.pages.forms import PageForm, trim
from rybbit.web.pages.guards import current_person, current_site
from rybbit.web.pages.retention import RetentionForm
from rybbit.web.pages.settings_form import SettingsForm

# What members see, and what owners and admins do.
blueprint = Blueprint("general", __name__, url_prefix="/settings")
changes = Blueprint("general", __name__, url_prefix="/settings/general")

_PAGE, _PART = "site_general/index.html", "site_general/_settings.html"


class GeneralForm(SettingsForm):
    """What a site is called, and how it treats visitors and readers."""

    name = StringField("Name")
    domain = StringField("Domain")
    public = BooleanField("Public statistics")
    salt_user_ids = BooleanField("Salted visitor ids")


class DeleteForm(PageForm):
    """The domain, typed to show that it is meant."""

    typed_domain = StringField("Domain")


@blueprint.get("")
def first() -> Response:
    """Lead to the first tab."""
    return lead_to(url_for(".index"))


@blueprint.get("/general")
def index() -> Response:
    """The settings."""
    return _show(GeneralForm.of(current_site()))


@changes.post("")
def save() -> Response:
    """Save what was changed."""
    form = GeneralForm()
    if not form.save(current_site(), actor=current_person()):
        return _show(form, status=422)
    db.session.commit()
    return show_change(
        _PART,
        to=url_for("site_member.general.index"),
        toast="Settings saved",
        form=GeneralForm.of(current_site()),
        title_changed=True,
    )


def _show(form: GeneralForm, *, status: int = 200) -> Response:
    return show(_PAGE, _PART, status=status, form=form, retention=RetentionForm.of(current_site()))


@changes.route("/delete", methods=["GET", "POST"])
def delete() -> Response:
    """Ask for the domain, and delete the site with all that belongs to it."""
    form, site = DeleteForm(), current_site()
    if request.method == "GET":
        return show("site_general/delete.html", form=form)
    if trim(form.typed_domain.data).lower() != site.domain:
        form.typed_domain.errors = [f"Type {site.domain} to delete it"]
        return show("site_general/delete.html", "site_general/_delete.html", status=422, form=form)
    name, number = site.name, site.site_id
    sites.delete_site(site, actor=current_person())
    with current_runtime().deletion.deleting_site(number):
        db.session.commit()
    return lead_to(url_for("signed_in.sites.index"), toast=f"{name} was deleted")
