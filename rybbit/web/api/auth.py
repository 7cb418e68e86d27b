"""Signing in and out, and what people change about their own account."""

from typing import Annotated

from flask import Blueprint, Response, request
from pydantic import Field

from rybbit.errors import Forbidden
from rybbit.extensions import db
from rybbit.models import Account, Session
from rybbit.services import accounts, password_resets, sign_in
from rybbit.web.access import ALL, client_address, current_account, current_actor, current_runtime
from rybbit.web.api.description import Caller, Done, Moment, Shown, describe, shown
from rybbit.web.api.organization_models import NameBody
from rybbit.web.bodies import Body, body_as, require_json
from rybbit.web.guesses import current_guesses
from rybbit.web.mailed_links import mail_reset_later
from rybbit.web.sign_in import clear_cookie, csrf_token_for, set_cookie, signed_in_session

blueprint = Blueprint("auth", __name__, url_prefix="/api/auth")

_Secret = Annotated[str, Field(max_length=4096)]
_NewPassword = Annotated[str, Field(min_length=8, max_length=1024)]
_Email = Annotated[str, Field(max_length=254)]
_Token = Annotated[str, Field(min_length=1, max_length=255)]


class SignInBody(Body):
    """Who signs in."""

    email: _Email
    password: _Secret


class SignUpBody(Body):
    """Who wants an account; with the token of an invitation also where sign-up is disabled."""

    email: _Email
    password: _NewPassword
    name: Annotated[str, Field(max_length=255)] = ""
    invitation: _Token | None = None


class PasswordBody(Body):
    """The password there is, and the one that there shall be."""

    current_password: _Secret
    new_password: _NewPassword


class ForgotBody(Body):
    """Whose password is forgotten."""

    email: _Email


class ResetBody(Body):
    """The token of a reset link, and the new password."""

    token: _Token
    new_password: _NewPassword


class AccountAnswer(Shown):
    """The caller's account."""

    id: str
    email: str
    name: str


class SignedInAnswer(Shown):
    """A session that has begun, or goes on; `csrfToken` belongs into the header X-CSRFToken of writes."""

    success: bool = True
    account: AccountAnswer
    session_id: str
    expires_at: Moment
    csrf_token: str


class SessionAnswer(Shown):
    """A browser in which the account is signed in; `current` is the one that asks."""

    id: str
    created_at: Moment
    last_seen_at: Moment
    expires_at: Moment
    address: str
    user_agent: str
    current: bool = False


@blueprint.post("/sign-in")
@describe(
    "Sign in",
    answer=SignedInAnswer,
    body=SignInBody,
    caller=Caller.ANYBODY,
    refusals=(401, 403, 429),
    details="Sets the cookie `rybbit_session`. Tries are limited by account and by address.",
)
def begin_session() -> Response:
    """Begin a session with email and password."""
    require_json()
    body = body_as(SignInBody)
    current_guesses().count_password(body.email, client_address())
    session, token = sign_in.sign_in(
        body.email,
        body.password,
        address=client_address(),
        user_agent=request.headers.get("User-Agent", ""),
    )
    current_guesses().forgive_account(body.email)
    return _begin(session, token)


@blueprint.post("/sign-up")
@describe(
    "Sign up",
    answer=SignedInAnswer,
    status=201,
    body=SignUpBody,
    caller=Caller.ANYBODY,
    refusals=(403, 404, 409, 429),
    details="For the first account, with an invitation, and where the operator lets strangers sign up.",
)
def sign_up() -> Response:
    """Make an account, and sign it in."""
    require_json()
    body = body_as(SignUpBody)
    current_guesses().count_address(client_address())
    account = accounts.sign_up(
        body.email,
        password=body.password,
        name=body.name,
        disabled=current_runtime().config.disable_signup,
        invitation=body.invitation,
        address=client_address(),
    )
    session, token = sign_in.start_session(
        account, address=client_address(), user_agent=request.headers.get("User-Agent", "")
    )
    return _begin(session, token, status=201)


@blueprint.get("/session")
@describe("Show the session", answer=SignedInAnswer, details="For browsers that are signed in.")
def show_session() -> Response:
    """The session of the browser, with the CSRF token that its writes need."""
    session = _browser_session()
    return shown(_signed_in(session))


@blueprint.post("/sign-out")
@describe("Sign out", answer=Done)
def end_session() -> Response:
    """End the browser's session."""
    sign_in.end_session(_browser_session())
    db.session.commit()
    response = shown(Done())
    clear_cookie(response)
    return response


@blueprint.put("/account")
@describe("Rename one's account", answer=AccountAnswer, body=NameBody, scope=ALL)
def rename() -> Response:
    """Give the caller's account another name."""
    account = current_account()
    accounts.rename_account(account, body_as(NameBody).name)
    db.session.commit()
    return shown(AccountAnswer.model_validate(account))


@blueprint.put("/password")
@describe(
    "Change one's password",
    answer=Done,
    body=PasswordBody,
    scope=ALL,
    refusals=(429,),
    details="Ends every other session.",
)
def change_password() -> Response:
    """Change the password for somebody who knows it."""
    account = current_account()
    body = body_as(PasswordBody)
    current_guesses().count_password(account.email, client_address())
    accounts.change_password(
        account,
        current_password=body.current_password,
        new_password=body.new_password,
        keep=_session_if_any(),
    )
    current_guesses().forgive_account(account.email)
    db.session.commit()
    return shown(Done())


@blueprint.post("/forgot-password")
@describe(
    "Ask for a reset link by mail",
    answer=Done,
    body=ForgotBody,
    caller=Caller.ANYBODY,
    refusals=(403, 429),
    details="The answer is the same whether there is such an account. Without a mail server nothing is sent:"
    " the operator makes the link with `rybbit user reset`.",
)
def forget_password() -> Response:
    """Mail a reset link to who forgot the password."""
    require_json()
    body = body_as(ForgotBody)
    current_guesses().count_reset(body.email, client_address())
    mail_reset_later(body.email)
    return shown(Done())


@blueprint.post("/reset-password")
@describe(
    "Set a new password with a reset link",
    answer=Done,
    body=ResetBody,
    caller=Caller.ANYBODY,
    refusals=(403, 429),
    details="The link works once and for an hour. Every session of the account ends.",
)
def reset_password() -> Response:
    """Set a new password with the token of a link."""
    require_json()
    body = body_as(ResetBody)
    current_guesses().count_address(client_address())
    account = password_resets.reset_password(body.token, body.new_password)
    current_guesses().forgive_account(account.email)
    db.session.commit()
    return shown(Done())


@blueprint.get("/sessions")
@describe("List one's sessions", answer=list[SessionAnswer], scope=ALL)
def list_sessions() -> Response:
    """The browsers in which the caller is signed in."""
    account = current_account()
    here = _session_if_any()
    found = [SessionAnswer.model_validate(session) for session in sign_in.sessions_of(account)]
    for row in found:
        row.current = here is not None and row.id == here.id
    return shown(found)


@blueprint.delete("/sessions")
@describe("End every other session", answer=Done, scope=ALL)
def end_other_sessions() -> Response:
    """End the caller's sessions, all but the one that asks."""
    sign_in.end_all_sessions(current_account(), but=_session_if_any())
    db.session.commit()
    return shown(Done())


@blueprint.delete("/sessions/<session_id>")
@describe("End a session", answer=Done, scope=ALL)
def end_one_session(session_id: str) -> Response:
    """End one of the caller's sessions."""
    sign_in.end_session(sign_in.session_of(current_account(), session_id))
    db.session.commit()
    return shown(Done())


def _begin(session: Session, token: str, *, status: int = 200) -> Response:
    db.session.commit()
    response = shown(_signed_in(session), status=status)
    set_cookie(response, token)
    return response


def _signed_in(session: Session) -> SignedInAnswer:
    account = db.session.get_one(Account, session.account_id)
    return SignedInAnswer(
        account=AccountAnswer.model_validate(account),
        session_id=session.id,
        expires_at=session.expires_at,
        csrf_token=csrf_token_for(session),
    )


def _session_if_any() -> Session | None:
    """The session of the browser that asks; None for a program with a key."""
    return None if current_actor().key_id else signed_in_session()


def _browser_session() -> Session:
    session = _session_if_any()
    if session is None:
        raise Forbidden("A key has no session")
    return session
