"""Signing in and out."""

from flask import Blueprint, Response, request, url_for
from wtforms import EmailField, PasswordField

from rybbit.errors import WrongCredentials
from rybbit.extensions import db
from rybbit.models import Session
from rybbit.services import accounts, sign_in
from rybbit.web.access import client_address, current_runtime
from rybbit.web.errors import TooManyRequests
from rybbit.web.guesses import current_guesses
from rybbit.web.htmx import lead_to, own_path, show
from rybbit.web.pages.beginnings import lead_on
from rybbit.web.pages.forms import PageForm, trim
from rybbit.web.sign_in import clear_cookie, signed_in_session

blueprint = Blueprint("sign_in", __name__)


class SignInForm(PageForm):
    """Who signs in."""

    email = EmailField("Email")
    password = PasswordField("Password")


@blueprint.get("/login")
def index() -> Response:
    """The form; whoever is signed in already goes on."""
    if signed_in_session() is not None:
        return lead_to(_destination())
    if not accounts.has_accounts():
        return lead_to(url_for("public.setup.index"))
    return _show(SignInForm())


@blueprint.post("/login")
def begin() -> Response:
    """Begin a session with email and password."""
    form = SignInForm()
    try:
        session, token = _begin_session(trim(form.email.data), form.password.data or "")
    except WrongCredentials as error:
        form.show_error(f"{error}.")
        return _show(form, status=422)
    except TooManyRequests as error:
        form.show_error(f"Too many attempts. Try again in {_minutes(error.retry_after)}.")
        response = _show(form, status=429)
        response.headers["Retry-After"] = str(error.retry_after)
        return response
    return lead_on(session, token, to=_destination())


@blueprint.post("/logout")
def end() -> Response:
    """End the browser's session."""
    session = signed_in_session()
    if session is not None:
        sign_in.end_session(session)
        db.session.commit()
    response = lead_to(url_for(".index"))
    clear_cookie(response)
    return response


def _begin_session(email: str, password: str) -> tuple[Session, str]:
    current_guesses().count_password(email, client_address())
    agent = request.headers.get("User-Agent", "")
    session, token = sign_in.sign_in(email, password, address=client_address(), user_agent=agent)
    current_guesses().forgive_account(email)
    return session, token


def _show(form: SignInForm, *, status: int = 200) -> Response:
    is_closed = accounts.is_signup_disabled(current_runtime().config.disable_signup)
    context = {"form": form, "next": _destination(), "can_sign_up": not is_closed}
    return show("sign_in/index.html", "sign_in/_form.html", status=status, **context)


def _destination() -> str:
    """Where to go after signing in; only pages of our own."""
    return own_path(request.values.get("next")) or url_for("signed_in.home.index")


def _minutes(seconds: int) -> str:
    minutes = -(-seconds // 60)
    return "a minute" if minutes <= 1 else f"{minutes} minutes"
