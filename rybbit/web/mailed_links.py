"""Links for people that are mailed, where there is a mail server and the server knows its own address."""

import logging
from threading import Thread
from typing import cast

from flask import Flask, current_app

from rybbit.config import Config
from rybbit.errors import InvalidInput, Unavailable
from rybbit.extensions import db
from rybbit.services.accounts import account_by_email
from rybbit.services.mail import MailServer, mail_server, send_invitation, send_reset
from rybbit.services.password_resets import make_reset, reset_url
from rybbit.web.access import current_runtime

logger = logging.getLogger(__name__)


def can_mail() -> bool:
    """Whether links are mailed; if not, whoever makes them hands them over."""
    return _server(current_runtime().config) is not None


def mail_invitation(email: str, *, url: str, organization: str) -> bool:
    """Mail the link of an invitation; False says that whoever made it has to hand it over."""
    server = _server(current_runtime().config)
    if server is None:
        return False
    try:
        send_invitation(server, email, url=url, organization=organization)
    except (Unavailable, InvalidInput) as error:
        logger.warning("An invitation was not mailed: %s", error)
        return False
    return True


def mail_reset_later(email: str) -> None:
    """Mail a reset link to the account of an address, if there is one.

    In a thread of its own, so that no answer tells by its time whether there is.
    """
    # The object itself: in the thread there is no current app to stand for.
    app = cast(Flask, current_app._get_current_object())  # type: ignore[attr-defined]
    if _server(current_runtime().config) is not None:
        Thread(target=_mail_reset, args=(app, email), name="rybbit-reset-mail", daemon=True).start()


def _mail_reset(app: Flask, email: str) -> None:
    with app.app_context():
        config = current_runtime().config
        server, account = _server(config), account_by_email(email)
        if server is None or account is None:
            return
        token, address = make_reset(account), account.email
        db.session.commit()
        try:
            send_reset(server, address, url=reset_url(config.base_url, token))
        except (Unavailable, InvalidInput) as error:
            logger.warning("A reset link was not mailed: %s", error)


def _server(config: Config) -> MailServer | None:
    """The mail server; None also where a link would have to name a host that the request made up."""
    return mail_server(config) if config.base_url else None
