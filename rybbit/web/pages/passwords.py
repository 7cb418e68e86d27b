"""Forgotten passwords: asking for a link, and setting a new password with it."""

from flask import Blueprint, Response, url_for
from wtforms import EmailField, PasswordField

from rybbit.errors import InvalidInput
from rybbit.extensions import db
from rybbit.services import password_resets
from rybbit.services.emails import normalise_email
from rybbit.web.access import client_address
from rybbit.web.guesses import current_guesses
from rybbit.web.htmx import lead_to, show
from rybbit.web.mailed_links import can_mail, mail_reset_later
from rybbit.web.pages.forms import PageForm

blueprint = Blueprint("passwords", __name__)


class ForgottenForm(PageForm):
    """Whose password is forgotten."""

    email = EmailField("Email")


class NewPasswordForm(PageForm):
    """The password that there shall be."""

    new_password = PasswordField("New password")


@blueprint.get("/forgot-password")
def ask() -> Response:
    """The form; where no mail is sent, whom to ask instead."""
    return _show_question(ForgottenForm(formdata=None))


@blueprint.post("/forgot-password")
def send() -> Response:
    """Mail a link, if there is such an account; the answer is the same in either case."""
    form = ForgottenForm()
    try:
        email = normalise_email(form.email.data or "")
    except InvalidInput as error:
        form.show_errors(error)
        return _show_question(form, status=422)
    current_guesses().count_reset(email, client_address())
    mail_reset_later(email)
    return _show_question(form, sent_to=email)


@blueprint.get("/reset-password/<token>")
def choose(token: str) -> Response:
    """The form for a new password, while the link works."""
    current_guesses().count_address(client_address())
    return _show_choice(NewPasswordForm(formdata=None), token)


@blueprint.post("/reset-password/<token>")
def reset(token: str) -> Response:
    """Set the password, and lead to the sign-in."""
    form = NewPasswordForm()
    current_guesses().count_address(client_address())
    try:
        account = password_resets.reset_password(token, form.new_password.data or "")
    except InvalidInput as error:
        form.show_errors(error)
        return _show_choice(form, token, status=422)
    current_guesses().forgive_account(account.email)
    db.session.commit()
    return lead_to(url_for("public.sign_in.index"), toast="Password changed. Sign in with it")


def _show_question(form: ForgottenForm, *, status: int = 200, sent_to: str = "") -> Response:
    context = {"form": form, "can_mail": can_mail(), "sent_to": sent_to}
    return show("passwords/index.html", "passwords/_question.html", status=status, **context)


def _show_choice(form: NewPasswordForm, token: str, *, status: int = 200) -> Response:
    account = password_resets.account_of(token)
    if account is None:
        return show("passwords/broken.html", "passwords/_broken.html", status=404)
    context = {"form": form, "token": token, "email": account.email}
    return show("passwords/choice.html", "passwords/_choice.html", status=status, **context)
