"""The name of an organization."""

from flask import Blueprint, Response, url_for

from rybbit.errors import InvalidInput
from rybbit.extensions import db
from rybbit.services import organizations
from rybbit.web.htmx import show, show_change
from rybbit.web.pages.guards import current_organization, current_person, current_role
from rybbit.web.pages.organizations import OrganizationForm

blueprint = Blueprint("organization_settings", __name__, url_prefix="/settings")


@blueprint.get("")
def index() -> Response:
    """The form."""
    return _show(OrganizationForm(formdata=None, name=current_organization().name))


@blueprint.post("")
def rename() -> Response:
    """Give the organization another name."""
    form = OrganizationForm()
    try:
        organizations.rename_organization(
            current_organization(), form.name.data or "", actor=current_person()
        )
    except InvalidInput as error:
        form.show_errors(error)
        return _show(form, status=422)
    db.session.commit()
    return show_change(
        "organization_settings/_name.html", to=url_for(".index"), toast="Name saved", form=form
    )


def _show(form: OrganizationForm, *, status: int = 200) -> Response:
    return show(
        "organization_settings/index.html",
        "organization_settings/_name.html",
        status=status,
        form=form,
        organization=current_organization(),
        role=current_role(),
    )
