"""Accounts for strangers, where the operator lets them in."""

from flask import Blueprint, Response, url_for
from wtforms import EmailField, PasswordField, StringField

from rybbit.errors import Conflict, InvalidInput
from rybbit.services import accounts
from rybbit.web.access import client_address, current_runtime
from rybbit.web.guesses import current_guesses
from rybbit.web.htmx import lead_to, show
from rybbit.web.pages.beginnings import begin_session
from rybbit.web.pages.forms import PageForm, trim
from rybbit.web.sign_in import signed_in_session

blueprint = Blueprint("sign_up", __name__, url_prefix="/signup")


class SignUpForm(PageForm):
    """Who wants an account."""

    email = EmailField("Email")
    name = StringField("Your name")
    password = PasswordField("Password")


@blueprint.get("")
def index() -> Response:
    """The form, where it is of use."""
    if signed_in_session() is not None:
        return lead_to(url_for("signed_in.home.index"))
    if not accounts.has_accounts():
        # The first account comes with an organization and a site.
        return lead_to(url_for("public.setup.index"))
    return _show(SignUpForm(formdata=None))


@blueprint.post("")
def create() -> Response:
    """Make an account, and sign it in."""
    form = SignUpForm()
    if not accounts.has_accounts():
        return lead_to(url_for("public.setup.index"))
    if _is_closed():
        return _show(form, status=403)
    current_guesses().count_address(client_address())
    try:
        account = accounts.sign_up(
            trim(form.email.data),
            password=form.password.data or "",
            name=trim(form.name.data),
            disabled=current_runtime().config.disable_signup,
        )
    except (InvalidInput, Conflict) as error:
        show_refusal(form, error)
        return _show(form, status=422)
    return begin_session(account, to=url_for("signed_in.home.index"), toast="Welcome")


def show_refusal(form: PageForm, error: InvalidInput | Conflict) -> None:
    """Put beside the fields why there is no account; a conflict is about the email address."""
    if isinstance(error, Conflict):
        error = InvalidInput({"email": ["There is an account with this email address. Sign in instead"]})
    form.show_errors(error)


def _is_closed() -> bool:
    return accounts.is_signup_disabled(current_runtime().config.disable_signup)


def _show(form: SignUpForm, *, status: int = 200) -> Response:
    context = {"form": form, "is_closed": _is_closed()}
    return show("sign_up/index.html", "sign_up/_form.html", status=status, **context)
