"""The first run in a browser: the first account, its organization and its site."""

from flask import Blueprint, Response, request, url_for
from wtforms import EmailField, HiddenField, PasswordField, StringField

from rybbit.errors import Conflict, InvalidInput
from rybbit.extensions import db
from rybbit.services import accounts, setup
from rybbit.services.setup_token import end_setup_token, opens_setup
from rybbit.web.access import client_address, current_runtime
from rybbit.web.guesses import current_guesses
from rybbit.web.htmx import lead_to, show
from rybbit.web.pages.beginnings import begin_session
from rybbit.web.pages.forms import PageForm, trim

blueprint = Blueprint("setup", __name__, url_prefix="/setup")


class SetupForm(PageForm):
    """Who owns the instance, and what is measured first."""

    setup_token = HiddenField()
    email = EmailField("Email")
    owner_name = StringField("Your name")
    password = PasswordField("Password")
    domain = StringField("Domain of your first site")


@blueprint.get("")
def index() -> Response:
    """The form, for whoever comes with the link that the server printed."""
    if accounts.has_accounts():
        return lead_to(url_for("public.sign_in.index"))
    token = request.args.get("token", "")
    return _show(SetupForm(formdata=None, setup_token=token)) if _opens(token) else _show_where(token)


@blueprint.post("")
def begin() -> Response:
    """Make all of it, sign its owner in and lead on to the site."""
    form = SetupForm()
    if accounts.has_accounts():
        # The form was sent twice, or somebody else was first.
        return _lead_to_sign_in()
    if not _opens(form.setup_token.data or ""):
        return _show_where(form.setup_token.data or "")
    try:
        owner, site = setup.set_up(
            email=trim(form.email.data),
            domain=trim(form.domain.data),
            password=form.password.data or "",
            owner_name=trim(form.owner_name.data),
        )
    except InvalidInput as error:
        form.show_errors(error)
        return _show(form, status=422)
    except Conflict:
        db.session.rollback()
        return _lead_to_sign_in()
    install = url_for("site_member.install.index", site=site.site_id)
    response = begin_session(owner, to=install, toast=f"Welcome. {site.domain} is ready")
    end_setup_token(current_runtime().config.instance_path)
    return response


def _lead_to_sign_in() -> Response:
    return lead_to(url_for("public.sign_in.index"), toast="The server is set up. Sign in", kind="error")


def _opens(token: str) -> bool:
    if not token:
        return False
    current_guesses().count_address(client_address())
    return opens_setup(current_runtime().config.instance_path, token)


def _show(form: SetupForm, *, status: int = 200) -> Response:
    return show("setup/index.html", "setup/_form.html", status=status, form=form)


def _show_where(token: str) -> Response:
    """Say where the link is found."""
    return show("setup/closed.html", "setup/_closed.html", status=403 if token else 200, is_wrong=bool(token))
