"""Mail with links to people, where a mail server is configured."""

import smtplib
import ssl
from dataclasses import dataclass
from email.errors import MessageError
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import format_datetime, make_msgid, parseaddr

from rybbit import clock
from rybbit.config import Config
from rybbit.errors import InvalidInput, Unavailable

_SECONDS = 10


@dataclass(frozen=True)
class MailServer:
    """Where mail is handed in, and whom it comes from."""

    host: str
    port: int
    username: str
    password: str
    sender: str
    tls: str


def mail_server(config: Config) -> MailServer | None:
    """The mail server that the settings name; None if there is none, and links have to be shown."""
    if not config.smtp_host:
        return None
    return MailServer(
        config.smtp_host,
        config.smtp_port,
        config.smtp_username,
        config.smtp_password,
        config.smtp_from,
        config.smtp_tls,
    )


def send_reset(server: MailServer, email: str, *, url: str) -> None:
    """Mail somebody the link that sets a new password.

    Raises:
        Unavailable: the mail server did not take it.
        InvalidInput: mail cannot be sent to this address.
    """
    text = (
        f"Somebody asked for a new password for {email}. To choose one, open\n\n{url}\n\n"
        "The link works once and for one hour. If it was not you, do nothing: your password stays as it is.\n"
    )
    _send(server, email, "Choose a new password", text)


def send_invitation(server: MailServer, email: str, *, url: str, organization: str) -> None:
    """Mail somebody the link with which they join an organization.

    Raises:
        Unavailable: the mail server did not take it.
        InvalidInput: mail cannot be sent to this address.
    """
    name = _one_line(organization)
    text = (
        f"You are invited to join {name}. To accept, open\n\n{url}\n\n"
        "The link works once and for seven days.\n"
    )
    _send(server, email, f"Invitation to {name}", text)


def _send(server: MailServer, email: str, subject: str, text: str) -> None:
    message = _compose(server, email, subject, text)
    try:
        with _connect(server) as connection:
            connection.send_message(message, to_addrs=[email])
    except (smtplib.SMTPException, OSError) as error:
        raise Unavailable(f"The mail server did not take the message: {_reason(error)}") from error


def _compose(server: MailServer, email: str, subject: str, text: str) -> EmailMessage:
    message = EmailMessage()
    try:
        message["To"] = Address(addr_spec=email)
    except (MessageError, ValueError, IndexError) as error:
        raise InvalidInput({"email": ["Mail cannot be sent to this address"]}) from error
    message["From"] = server.sender
    message["Subject"] = subject
    message["Date"] = format_datetime(clock.now())
    message["Message-ID"] = make_msgid(domain=parseaddr(server.sender)[1].rpartition("@")[2] or None)
    # So that no one answers with "I am on holiday" (RFC 3834).
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(text)
    return message


def _connect(server: MailServer) -> smtplib.SMTP:
    trusted = ssl.create_default_context()
    if server.tls == "tls":
        connection: smtplib.SMTP = smtplib.SMTP_SSL(
            server.host, server.port, timeout=_SECONDS, context=trusted
        )
    else:
        connection = smtplib.SMTP(server.host, server.port, timeout=_SECONDS)
    try:
        if server.tls == "starttls":
            connection.starttls(context=trusted)
        if server.username:
            connection.login(server.username, server.password)
    except BaseException:
        connection.close()
        raise
    return connection


def _one_line(name: str) -> str:
    """A name for a header: a line break would begin another one."""
    return "".join(character if character.isprintable() else " " for character in name)


def _reason(error: Exception) -> str:
    if isinstance(error, smtplib.SMTPResponseException):
        return str(error.smtp_code)
    return type(error).__name__
