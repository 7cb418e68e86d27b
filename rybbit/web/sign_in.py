"""Browsers that are signed in: the cookie, and the token that proves a write comes from our own pages."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any, TypeVar
from urllib.parse import urlsplit

from flask import Response, current_app, request, session
from flask_wtf.csrf import generate_csrf, validate_csrf
from wtforms import ValidationError

from rybbit import clock
from rybbit.errors import Forbidden
from rybbit.extensions import db
from rybbit.models import Session
from rybbit.services.sign_in import SESSION_LIFE, session_for

_View = TypeVar("_View", bound=Callable[..., Any])

COOKIE = "rybbit_session"
CSRF_HEADER = "X-CSRFToken"
CSRF_FIELD = "csrf_token"

_READING = {"GET", "HEAD", "OPTIONS"}
_ONLY_READS = "only_reads"
_FOUND = "rybbit.session"
_BOUND_TO = "signed_in"


def signed_in_session() -> Session | None:
    """The session of the browser that asks, None if it is not signed in.

    Raises:
        Forbidden: it wants to change something, and does not show the CSRF token.
    """
    environ = request.environ
    if _FOUND not in environ:
        environ[_FOUND] = _look_up()
    found: Session | None = environ[_FOUND]
    return found


def only_reads(view: _View) -> _View:
    """Mark a view that changes nothing though it takes a body: a browser needs no CSRF token for it."""
    view.__dict__[_ONLY_READS] = True
    return view


def csrf_token_for(signed_in: Session) -> str:
    """The token that this session has to show with every change; no other session's is as good."""
    if session.get(_BOUND_TO) != signed_in.id:
        session.clear()
        session[_BOUND_TO] = signed_in.id
    return str(generate_csrf())


def set_cookie(response: Response, token: str) -> None:
    """Let the browser keep the session's token."""
    _write_cookie(response, token, SESSION_LIFE)


def clear_cookie(response: Response) -> None:
    """Let the browser forget the session, and what came with it."""
    session.clear()
    _write_cookie(response, "", timedelta(0))


def keep_private(response: Response) -> Response:
    """After a request: what one caller is told is for nobody else's cache, nor for who comes next.

    A session that lasts longer now gets a cookie that does.
    """
    response.headers.setdefault("Cache-Control", "no-store")
    if request.environ.get("rybbit.session_extended"):
        set_cookie(response, request.cookies[COOKIE])
    return response


def shown_session() -> Session | None:
    """The session whose cookie the browser shows, whatever it wants to do; None if it has ended."""
    token = request.cookies.get(COOKIE)
    return session_for(token) if token else None


def _look_up() -> Session | None:
    before = clock.now()
    found = shown_session()
    if found is None:
        return None
    if found.last_seen_at >= before:
        # The use was noted. Others must not wait for this write until the request has ended.
        db.session.commit()
        request.environ["rybbit.session_extended"] = True
    if _changes_something():
        _check_csrf(found)
    return found


def _changes_something() -> bool:
    view = current_app.view_functions.get(request.endpoint or "")
    return request.method not in _READING and not getattr(view, _ONLY_READS, False)


def _check_csrf(signed_in: Session) -> None:
    try:
        # The form is read only where there is no header: programs send other bodies, which stay unread.
        validate_csrf(request.headers.get(CSRF_HEADER) or request.form.get(CSRF_FIELD))
    except ValidationError as error:
        raise Forbidden("CSRF token missing or wrong") from error
    if session.get(_BOUND_TO) != signed_in.id:
        raise Forbidden("CSRF token missing or wrong")


def _write_cookie(response: Response, token: str, life: timedelta) -> None:
    app = current_app
    response.set_cookie(
        COOKIE,
        token,
        max_age=life,
        path=app.session_interface.get_cookie_path(app),
        secure=request.is_secure or urlsplit(app.extensions["rybbit"].config.base_url).scheme == "https",
        httponly=True,
        samesite="Lax",
    )
