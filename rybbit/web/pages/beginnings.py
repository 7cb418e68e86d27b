"""What the pages share on which somebody gets an account."""

from flask import Response, current_app, request, url_for

from rybbit.extensions import db
from rybbit.models import Account
from rybbit.services import sign_in
from rybbit.web.access import client_address
from rybbit.web.htmx import lead_to
from rybbit.web.sign_in import csrf_token_for, set_cookie


def begin_session(account: Account, *, to: str, toast: str) -> Response:
    """Sign somebody in who need not show a password, and lead on; everything is committed."""
    agent = request.headers.get("User-Agent", "")
    session, token = sign_in.start_session(account, address=client_address(), user_agent=agent)
    db.session.commit()
    # A new session of the browser too; it drops what was left for the next page, so it comes first.
    csrf_token_for(session)
    response = lead_to(to, toast=toast)
    set_cookie(response, token)
    return response


def install_page(site_id: int) -> str:
    """Where a new site's first event is waited for; the start page where there is no such page."""
    path = f"sites/{site_id}/install"
    adapter = current_app.create_url_adapter(request)
    start = url_for("signed_in.home.index")
    return start + path if adapter is not None and adapter.test(f"/{path}", "GET") else start
