"""Who changed what in an organization and on its sites."""

from flask import Blueprint, Response

from rybbit.services import audit
from rybbit.web import params
from rybbit.web.htmx import show
from rybbit.web.pages.audit_words import describe_entry
from rybbit.web.pages.guards import current_organization, current_role

blueprint = Blueprint("organization_audit", __name__, url_prefix="/audit")

_PAGE = 50


@blueprint.get("")
def index() -> Response:
    """A page of the log, the latest first."""
    before = params.entry("before")
    # One more than is shown tells whether there is a next page.
    found = audit.entries_of(current_organization(), limit=_PAGE + 1, before=before)
    return show(
        "organization_audit/index.html",
        organization=current_organization(),
        role=current_role(),
        lines=[describe_entry(entry) for entry in found[:_PAGE]],
        before=before,
        next_before=found[_PAGE - 1].id if len(found) > _PAGE else None,
    )
