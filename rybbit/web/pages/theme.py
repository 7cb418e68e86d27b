"""Light or dark: kept in a cookie, so that a page comes in the right colours at once."""

from datetime import timedelta

from flask import Blueprint, Response, current_app, request, url_for

from rybbit.errors import InvalidInput
from rybbit.web.htmx import lead_to, own_path
from rybbit.web.pages.filters import THEME_COOKIE, THEMES

blueprint = Blueprint("theme", __name__, url_prefix="/theme")


@blueprint.post("")
def choose() -> Response:
    """Keep a choice, and go back to where it was made."""
    theme = request.form.get("theme", "")
    if theme not in THEMES:
        raise InvalidInput({"theme": [f"Must be one of {', '.join(THEMES)}"]})
    response = lead_to(own_path(request.form.get("next")) or url_for("signed_in.home.index"))
    response.set_cookie(
        THEME_COOKIE,
        theme,
        max_age=timedelta(days=365),
        path=current_app.session_interface.get_cookie_path(current_app),
        secure=request.is_secure,
        httponly=True,
        samesite="Lax",
    )
    return response
