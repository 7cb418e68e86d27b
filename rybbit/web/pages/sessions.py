"""The browsers in which one is signed in."""

from typing import Any

from flask import Blueprint, Response, url_for

from rybbit.extensions import db
from rybbit.services import sign_in
from rybbit.web.htmx import lead_to, show, show_change
from rybbit.web.pages.guards import current_account, current_session
from rybbit.web.sign_in import clear_cookie

blueprint = Blueprint("sessions", __name__, url_prefix="/account/sessions")


@blueprint.get("")
def index() -> Response:
    """The list."""
    return show("sessions/index.html", "sessions/_list.html", **_context())


@blueprint.post("/<session_id>/end")
def end(session_id: str) -> Response:
    """Sign one browser out; this one too, if it is meant."""
    session = sign_in.session_of(current_account(), session_id)
    is_here = session.id == current_session().id
    sign_in.end_session(session)
    db.session.commit()
    if not is_here:
        return _show_list("Browser signed out")
    response = lead_to(url_for("public.sign_in.index"))
    clear_cookie(response)
    return response


@blueprint.post("/end-others")
def end_others() -> Response:
    """Sign every other browser out."""
    sign_in.end_all_sessions(current_account(), but=current_session())
    db.session.commit()
    return _show_list("Every other browser is signed out")


def _show_list(toast: str) -> Response:
    return show_change("sessions/_list.html", to=url_for(".index"), toast=toast, **_context())


def _context() -> dict[str, Any]:
    return {"sessions": sign_in.sessions_of(current_account()), "here": current_session().id}
