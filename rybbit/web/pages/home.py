"""Where somebody comes to who asks for no page in particular."""

from flask import Blueprint, Response, url_for

from rybbit.web.htmx import lead_to

blueprint = Blueprint("home", __name__)


@blueprint.get("/")
def index() -> Response:
    """Lead to the first page of whoever is signed in."""
    return lead_to(url_for("signed_in.sites.index"))
