"""Mail, handed to a real server."""

import shutil
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from rybbit.config import load_config
from rybbit.errors import ConfigurationError, InvalidInput, Unavailable
from rybbit.services.mail import MailServer, mail_server, send_invitation, send_reset
from tests.smtp import Mailbox, serving

URL = "https://stats.example.com/reset-password/abc"


@pytest.fixture
def mailbox() -> Iterator[Mailbox]:
    with serving(Mailbox()) as box:
        yield box


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate of this machine and its key, in one file."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    file = tmp_path_factory.mktemp("certificate") / "both.pem"
    words = (
        "req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -addext subjectAltName=IP:127.0.0.1"
    )
    command = ["openssl", *words.split(), "-keyout", str(file) + ".key", "-out", str(file)]
    subprocess.run(command, check=True, capture_output=True)
    file.write_text(file.read_text() + Path(f"{file}.key").read_text())
    return file


def _server(mailbox: Mailbox, *, tls: str = "none", username: str = "", password: str = "") -> MailServer:
    sender = "Statistics <stats@example.com>"
    return MailServer("127.0.0.1", mailbox.port, username, password, sender, tls)


def test_a_message_arrives(mailbox: Mailbox) -> None:
    send_reset(_server(mailbox), "ann@example.com", url=URL)
    (message,) = mailbox.messages
    assert mailbox.recipients == ["ann@example.com"]
    assert message["To"] == "ann@example.com"
    assert message["From"] == "Statistics <stats@example.com>"
    assert message["Auto-Submitted"] == "auto-generated"
    assert message["Message-ID"].endswith("@example.com>")
    assert message["Date"].datetime.tzinfo is not None
    assert URL in message.get_content().splitlines()


def test_a_name_cannot_add_a_header(mailbox: Mailbox) -> None:
    name = "Acme\r\nBcc: eve@example.com\r\n\r\nhello\u2028there \u00e9"
    send_invitation(_server(mailbox), "ann@example.com", url=URL, organization=name)
    (message,) = mailbox.messages
    assert message["Bcc"] is None
    assert mailbox.recipients == ["ann@example.com"]
    assert message["Subject"] == "Invitation to Acme  Bcc: eve@example.com    hello there \u00e9"
    assert URL in message.get_content().splitlines()


@pytest.mark.parametrize("email", ["group:ann@example.com", "a..b@example.com", "a(b@example.com", "a\\@b.c"])
def test_an_address_that_mail_does_not_know(mailbox: Mailbox, email: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        send_reset(_server(mailbox), email, url=URL)
    assert set(refused.value.field_errors) == {"email"}
    assert mailbox.messages == []


def test_a_password_is_shown_where_one_is_wanted(mailbox: Mailbox) -> None:
    mailbox.credentials = ("stats", "hunter2")
    send_reset(_server(mailbox, username="stats", password="hunter2"), "ann@example.com", url=URL)
    assert len(mailbox.messages) == 1
    with pytest.raises(Unavailable, match="535") as refused:
        send_reset(_server(mailbox, username="stats", password="wrong"), "ann@example.com", url=URL)
    assert "wrong" not in str(refused.value)
    with pytest.raises(Unavailable, match="530"):
        send_reset(_server(mailbox), "ann@example.com", url=URL)
    assert len(mailbox.messages) == 1


def test_a_server_that_refuses_and_one_that_is_away(mailbox: Mailbox) -> None:
    mailbox.refuses = True
    with pytest.raises(Unavailable, match="did not take the message"):
        send_reset(_server(mailbox), "ann@example.com", url=URL)
    away = MailServer("127.0.0.1", 1, "", "", "stats@example.com", "none")
    with pytest.raises(Unavailable, match="did not take the message"):
        send_reset(away, "ann@example.com", url=URL)


def test_nothing_goes_in_the_clear_where_encryption_is_wanted(mailbox: Mailbox) -> None:
    for tls in ("starttls", "tls"):
        with pytest.raises(Unavailable):
            send_reset(_server(mailbox, tls=tls), "ann@example.com", url=URL)
    assert mailbox.messages == []


@pytest.mark.parametrize("tls", ["starttls", "tls"])
def test_an_encrypted_message_arrives_at_whom_we_trust(
    mailbox: Mailbox, certificate: Path, monkeypatch: pytest.MonkeyPatch, tls: str
) -> None:
    _encrypt(mailbox, certificate, tls)
    mailbox.credentials = ("stats", "hunter2")
    server = _server(mailbox, tls=tls, username="stats", password="hunter2")
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    send_reset(server, "ann@example.com", url=URL)
    assert (mailbox.encrypted, mailbox.recipients) == ([True], ["ann@example.com"])
    (message,) = mailbox.messages
    assert URL in message.get_content().splitlines()


@pytest.mark.parametrize("tls", ["starttls", "tls"])
def test_a_server_with_an_unknown_certificate_gets_nothing(
    mailbox: Mailbox, certificate: Path, tls: str
) -> None:
    _encrypt(mailbox, certificate, tls)
    with pytest.raises(Unavailable):
        send_reset(_server(mailbox, tls=tls), "ann@example.com", url=URL)
    assert mailbox.messages == []


def _encrypt(mailbox: Mailbox, certificate: Path, tls: str) -> None:
    """Let the server speak TLS, when it is asked to or from the first byte on."""
    mailbox.context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    mailbox.context.load_cert_chain(certificate)
    mailbox.implicit = tls == "tls"


def test_the_server_comes_from_the_settings(tmp_path: Path) -> None:
    place = {"RYBBIT_INSTANCE_PATH": str(tmp_path)}
    assert mail_server(load_config(place)) is None
    settings = place | {"RYBBIT_SMTP_HOST": "mail.example.com", "RYBBIT_SMTP_FROM": "stats@example.com"}
    assert mail_server(load_config(settings)) == MailServer(
        "mail.example.com", 587, "", "", "stats@example.com", "starttls"
    )


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("RYBBIT_SMTP_FROM", ""),
        ("RYBBIT_SMTP_TLS", "ssl"),
        ("RYBBIT_SMTP_PORT", 0),
        ("RYBBIT_SMTP_PORT", 70_000),
    ],
)
def test_an_unfit_setting_is_named(tmp_path: Path, name: str, value: object) -> None:
    settings = {
        "RYBBIT_INSTANCE_PATH": str(tmp_path),
        "RYBBIT_SMTP_HOST": "mail.example.com",
        "RYBBIT_SMTP_FROM": "stats@example.com",
    }
    with pytest.raises(ConfigurationError, match=name):
        load_config(settings | {name: value})
