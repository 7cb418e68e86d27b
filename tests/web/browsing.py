"""A person with a browser that has no scripts: forms are filled in as they came, tokens and all."""

import re
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any

from werkzeug.test import Client, TestResponse

from rybbit.extensions import db
from rybbit.models import Key, Session
from rybbit.services import accounts, keys
from rybbit.services.sign_in import sessions_of
from tests.factories import PASSWORD, make_account
from tests.web.world import PEER, World

PARTIAL = {"HX-Request": "true", "HX-Request-Type": "partial"}
_TOKEN = re.compile(r'name="csrf_token" value="([^"]+)"')


@dataclass
class Person:
    """Somebody who looks at pages; `token` is the CSRF token of the last page they saw."""

    world: World
    email: str = ""
    client: Client = field(init=False)
    token: str = ""

    def __post_init__(self) -> None:
        self.client = self.world.client()

    def get(self, path: str, *, headers: dict[str, str] | None = None) -> TestResponse:
        """Look at a page."""
        answer = self.client.get(path, headers=headers, environ_overrides={"REMOTE_ADDR": PEER})
        self._remember(answer)
        return answer

    def post(
        self, path: str, *, headers: dict[str, str] | None = None, token: str | None = None, **fields: Any
    ) -> TestResponse:
        """Send a form with the token of the last page, or with another one; "" sends none."""
        shown = self.token if token is None else token
        data = {**fields, **({"csrf_token": shown} if shown else {})}
        answer = self.client.post(path, data=data, headers=headers, environ_overrides={"REMOTE_ADDR": PEER})
        self._remember(answer)
        return answer

    def sign_in(self, password: str = PASSWORD) -> "Person":
        """Sign in with the form, and see the first page."""
        self.get("/login")
        answer = self.post("/login", email=self.email, password=password)
        assert answer.status_code == 303, answer.text
        self.get("/account")
        return self

    def stored_keys(self) -> list[Key]:
        """The keys of the account, as they are now."""
        # In a context of its own: one around requests would be theirs too, with all that they keep in it.
        with self.world.app.app_context():
            return keys.list_keys(accounts.account_for(self.email))

    def stored_sessions(self) -> list[Session]:
        """The sessions of the account, as they are now."""
        with self.world.app.app_context():
            return sessions_of(accounts.account_for(self.email))

    def _remember(self, answer: TestResponse) -> None:
        found = _TOKEN.search(answer.get_data(as_text=True))
        self.token = found[1] if found else self.token


def make_person(world: World) -> Person:
    """Somebody with an account, not signed in yet."""
    with world.app.app_context():
        account = make_account()
        email = account.email
        db.session.commit()
    return Person(world, email)


def text_of(answer: TestResponse) -> str:
    """What a page says, without its tags."""
    reader = _Reader()
    reader.feed(answer.get_data(as_text=True))
    return " ".join(" ".join(reader.texts).split())


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.texts: list[str] = []

    def handle_data(self, data: str) -> None:
        self.texts.append(data)
