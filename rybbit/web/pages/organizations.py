"""The organizations that one belongs to."""

from flask import Blueprint, Response, url_for
from wtforms import StringField

from rybbit.errors import InvalidInput
from rybbit.extensions import db
from rybbit.services import organizations
from rybbit.web.htmx import lead_to, show
from rybbit.web.pages.forms import PageForm
from rybbit.web.pages.guards import current_account, current_person

blueprint = Blueprint("organizations", __name__, url_prefix="/organizations")


class OrganizationForm(PageForm):
    """What an organization is called."""

    name = StringField("Name")


@blueprint.get("")
def index() -> Response:
    """The list; whoever belongs to a single one is led to it."""
    found = organizations.organizations_of(current_account())
    if len(found) == 1:
        return lead_to(page_of(found[0].organization.id))
    return show("organizations/index.html", memberships=found)


@blueprint.get("/new")
def new() -> Response:
    """A form to make one."""
    return _show_form(OrganizationForm(formdata=None))


@blueprint.post("/new")
def create() -> Response:
    """Make an organization, whose owner is whoever asks."""
    form = OrganizationForm()
    try:
        made = organizations.create_organization(
            form.name.data or "", owner=current_account(), actor=current_person()
        )
    except InvalidInput as error:
        form.show_errors(error)
        return _show_form(form, status=422)
    to = page_of(made.id)
    db.session.commit()
    return lead_to(to, toast="Organization made")


def page_of(organization_id: str) -> str:
    """The first page of an organization."""
    return url_for("organization_member.members.index", organization=organization_id)


def _show_form(form: OrganizationForm, *, status: int = 200) -> Response:
    return show("organizations/new.html", "organizations/_new.html", status=status, form=form)
