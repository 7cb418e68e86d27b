"""A small mail server, which keeps what it is handed."""

import base64
import email
import socketserver
import ssl
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.message import EmailMessage
from email.policy import default
from threading import Thread
from typing import cast


@dataclass
class Mailbox:
    """What a mail server was handed, and how it behaves."""

    port: int = 0
    context: ssl.SSLContext | None = None
    implicit: bool = False
    credentials: tuple[str, str] | None = None
    refuses: bool = False
    messages: list[EmailMessage] = field(default_factory=list)
    recipients: list[str] = field(default_factory=list)
    encrypted: list[bool] = field(default_factory=list)


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True
    mailbox: Mailbox

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing of clients that hang up, as those do that expect TLS where there is none."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)  # type: ignore[arg-type]


class _Conversation(socketserver.StreamRequestHandler):
    """SMTP (RFC 5321) as far as a client that sends one message needs it."""

    def handle(self) -> None:
        self._mailbox = cast(_Server, self.server).mailbox
        self._is_encrypted = self._is_known = False
        self._recipients: list[str] = []
        if self._mailbox.implicit and not self._encrypt():
            return
        self._say("220 ready")
        while line := self.rfile.readline().decode("latin-1").strip():
            verb, _, rest = line.partition(" ")
            answer = getattr(self, f"_do_{verb.lower()}", None)
            self._say(answer(rest) if answer else "502 unknown")
            if verb.upper() == "QUIT":
                return
            if line.upper() == "STARTTLS" and not self._encrypt():
                return

    def finish(self) -> None:
        super().finish()
        if self._is_encrypted:
            self.connection.close()

    def _say(self, text: str) -> None:
        self.wfile.write(text.replace("\n", "\r\n").encode() + b"\r\n")

    def _encrypt(self) -> bool:
        assert self._mailbox.context is not None
        try:
            self.connection = self._mailbox.context.wrap_socket(self.connection, server_side=True)
        except (ssl.SSLError, OSError):
            return False
        self.rfile = self.connection.makefile("rb")  # type: ignore[assignment]
        self.wfile = self.connection.makefile("wb", buffering=0)  # type: ignore[assignment]
        self._is_encrypted = True
        return True

    def _do_ehlo(self, _: str) -> str:
        offers = ["250-here"]
        offers += ["250-STARTTLS"] if self._mailbox.context and not self._is_encrypted else []
        offers += ["250-AUTH PLAIN"] if self._mailbox.credentials else []
        return "\n".join([*offers, "250 8BITMIME"])

    def _do_starttls(self, _: str) -> str:
        return "220 go on" if self._mailbox.context else "502 unknown"

    def _do_auth(self, rest: str) -> str:
        _, user, password = base64.b64decode(rest.split()[1]).decode().split("\0")
        self._is_known = (user, password) == self._mailbox.credentials
        return "235 welcome" if self._is_known else "535 wrong"

    def _do_mail(self, _: str) -> str:
        return "530 who are you" if self._mailbox.credentials and not self._is_known else "250 ok"

    def _do_rcpt(self, rest: str) -> str:
        if self._mailbox.refuses:
            return "550 nobody here"
        self._recipients.append(rest.partition("<")[2].partition(">")[0])
        return "250 ok"

    def _do_data(self, _: str) -> str:
        self._say("354 go on")
        lines: list[bytes] = []
        while (line := self.rfile.readline()) != b".\r\n":
            lines.append(line.removeprefix(b"."))
        message = email.message_from_bytes(b"".join(lines), policy=default)
        self._mailbox.messages.append(cast(EmailMessage, message))
        self._mailbox.recipients += self._recipients
        self._mailbox.encrypted.append(self._is_encrypted)
        return "250 kept"

    def _do_rset(self, _: str) -> str:
        return "250 ok"

    def _do_quit(self, _: str) -> str:
        return "221 bye"


@contextmanager
def serving(mailbox: Mailbox) -> Iterator[Mailbox]:
    """Serve on a free port of this machine until the end."""
    with _Server(("127.0.0.1", 0), _Conversation) as server:
        server.mailbox = mailbox
        mailbox.port = server.server_address[1]
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield mailbox
        finally:
            server.shutdown()
            thread.join()
