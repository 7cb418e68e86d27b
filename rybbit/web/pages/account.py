"""One's own account: name and password."""

from flask import Blueprint, Response, url_for
from wtforms import PasswordField, StringField

from rybbit.errors import InvalidInput
from rybbit.extensions import db
from rybbit.services import accounts
from rybbit.web.access import client_address
from rybbit.web.guesses import current_guesses
from rybbit.web.htmx import show, show_change
from rybbit.web.pages.forms import PageForm
from rybbit.web.pages.guards import current_account, current_session

blueprint = Blueprint("account", __name__, url_prefix="/account")


class NameForm(PageForm):
    """What others call the account."""

    name = StringField("Name")


class PasswordForm(PageForm):
    """The password there is, and the one that there shall be."""

    current_password = PasswordField("Current password")
    new_password = PasswordField("New password")


@blueprint.get("")
def index() -> Response:
    """The forms."""
    return _show_page()


@blueprint.post("/name")
def rename() -> Response:
    """Change the name."""
    form = NameForm()
    try:
        accounts.rename_account(current_account(), form.name.data or "")
    except InvalidInput as error:
        form.show_errors(error)
        return _show_page("account/_name.html", status=422, name_form=form)
    db.session.commit()
    return show_change("account/_name.html", to=url_for(".index"), toast="Name saved", name_form=form)


@blueprint.post("/password")
def change_password() -> Response:
    """Change the password, which ends every other session."""
    form = PasswordForm()
    account = current_account()
    # The old password can be guessed at here as well as at the sign-in.
    current_guesses().count_password(account.email, client_address())
    try:
        accounts.change_password(
            account,
            current_password=form.current_password.data or "",
            new_password=form.new_password.data or "",
            keep=current_session(),
        )
    except InvalidInput as error:
        form.show_errors(error)
        return _show_page("account/_password.html", status=422, password_form=form)
    current_guesses().forgive_account(account.email)
    db.session.commit()
    return show_change(
        "account/_password.html",
        to=url_for(".index"),
        toast="Password changed; every other browser is signed out",
        password_form=PasswordForm(formdata=None),
    )


def _show_page(part: str | None = None, *, status: int = 200, **forms: PageForm) -> Response:
    context = {
        "name_form": NameForm(formdata=None, name=current_account().name),
        "password_form": PasswordForm(formdata=None),
        "email": current_account().email,
    }
    return show("account/index.html", part, status=status, **{**context, **forms})
