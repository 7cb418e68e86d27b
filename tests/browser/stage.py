"""The servers that pages are shown on, each started when it is first needed, and who is signed in there."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import Literal

from playwright.sync_api import Browser, Page, StorageState

from tests.browser.server import (
    OUTSIDER,
    OWNER,
    PARTNER,
    READER,
    Server,
    running_empty_server,
    running_server,
)

# "open" takes strangers in and sends mail, "empty" has no account yet.
Kind = Literal["usual", "open", "empty"]
# "partner" has organizations of their own but no site, "outsider" neither.
Who = Literal["owner", "reader", "partner", "outsider", "nobody"]

_EMAILS: dict[Who, str] = {"owner": OWNER, "reader": READER, "partner": PARTNER, "outsider": OUTSIDER}
_OPEN = {
    "RYBBIT_DISABLE_SIGNUP": "false",
    # Nobody listens there: what is sent is lost, which no page tells.
    "RYBBIT_SMTP_HOST": "127.0.0.1",
    "RYBBIT_SMTP_PORT": "9",
    "RYBBIT_SMTP_FROM": "rybbit@example.com",
    "RYBBIT_BASE_URL": "http://127.0.0.1",
}


class Stage:
    """Servers by kind, and the cookies of people on the usual one."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self._folder = folder
        self._stack = stack
        self._servers: dict[Kind, Server] = {}
        self._states: dict[Who, StorageState] = {}

    def server(self, kind: Kind = "usual") -> Server:
        """The server of a kind."""
        if kind not in self._servers:
            self._servers[kind] = self._stack.enter_context(_STARTS[kind](self._folder / kind))
        return self._servers[kind]

    def state(self, browser: Browser, who: Who) -> StorageState | None:
        """The cookies of somebody, who is signed in once; None for nobody."""
        if who == "nobody":
            return None
        if who not in self._states:
            context = browser.new_context(base_url=self.server().url)
            sign_in(context.new_page(), self.server(), email=_EMAILS[who])
            self._states[who] = context.storage_state()
            context.close()
        return self._states[who]


@contextmanager
def staged(folder: Path) -> Iterator[Stage]:
    """A stage whose servers have their instances in a folder; they are stopped at the end."""
    with ExitStack() as stack:
        yield Stage(folder, stack)


def sign_in(page: Page, server: Server, *, email: str = "", password: str = "") -> None:
    """Sign somebody in with the form, by default the owner."""
    page.goto("/login")
    page.get_by_label("Email").fill(email or server.owner)
    page.get_by_label("Password").fill(password or server.password)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url(lambda url: "/login" not in url)


def _start_open(folder: Path) -> AbstractContextManager[Server]:
    return running_server(folder, **_OPEN)


_STARTS: dict[Kind, Callable[[Path], AbstractContextManager[Server]]] = {
    "usual": running_server,
    "open": _start_open,
    "empty": running_empty_server,
}
