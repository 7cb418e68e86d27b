"""Links for people: mailed where a mail server is configured, else printed."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import click

from rybbit.cli.instance import LOCAL_ADDRESS
from rybbit.cli.output import print_json

if TYPE_CHECKING:
    from rybbit.config import Config
    from rybbit.services.mail import MailServer


def base_url(config: "Config") -> str:
    """The address that links begin with; says so when it is a guess."""
    if not config.base_url:
        text = (
            f"RYBBIT_BASE_URL is not set: the link names {LOCAL_ADDRESS}, which works on this machine only."
        )
        click.echo(text, err=True)
    return config.base_url or LOCAL_ADDRESS


def hand_over(
    config: "Config",
    url: str,
    *,
    email: str | None,
    show: bool,
    as_json: bool,
    send: Callable[["MailServer", str], None],
) -> None:
    """Mail a link by `send` if there is whom to send it to and by what, unless it is to be shown."""
    from rybbit.services.mail import mail_server

    server = None if show else mail_server(config)
    mailed = server is not None and email is not None
    if server is not None and email is not None:
        send(server, email)
    if as_json:
        print_json({"mailedTo": email} if mailed else {"url": url})
    else:
        click.echo(f"The link was mailed to {email}." if mailed else url)
