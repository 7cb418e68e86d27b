"""What the pages share on which a session begins."""

from flask import Response, request

from rybbit.extensions import db
from rybbit.models import Account, Session
from rybbit.services import sign_in
from rybbit.web.access import client_address
from rybbit.web.htmx import lead_to
from rybbit.web.sign_in import csrf_token_for, set_cookie, shown_session


def begin_session(account: Account, *, to: str, toast: str) -> Response:
    """Sign somebody in who need not show a password, and lead on; everything is committed."""
    agent = request.headers.get("User-Agent", "")
    session, token = sign_in.start_session(account, address=client_address(), user_agent=agent)
    return lead_on(session, token, to=to, toast=toast)


def lead_on(session: Session, token: str, *, to: str, toast: str | None = None) -> Response:
    """Give the browser its new session in place of the one it has, commit, and lead on."""
    former = shown_session()
    if former is not None:
        sign_in.end_session(former)
    db.session.commit()
    # What was known of the browser before counts no more; that drops what was left for the next page, too.
    csrf_token_for(session)
    response = lead_to(to, toast=toast)
    set_cookie(response, token)
    return response
