"""Somebody around a site with a browser: sends forms as they were seen earlier, looks at the inspector."""

import json
import re
from typing import Any

from werkzeug.test import Client, TestResponse

from rybbit.extensions import db
from rybbit.models import Organization, Site
from rybbit.services import organizations
from rybbit.services.sign_in import start_session
from tests.web.browsing import PARTIAL
from tests.web.people import Cast
from tests.web.world import PEER, Tenant, World


class Visitor:
    """Somebody of the cast with a browser."""

    def __init__(self, cast: Cast, name: str) -> None:
        self.cast = cast
        self.client: Client = cast.client(f"{name} in a browser")

    def get(self, path: str, **headers: str) -> TestResponse:
        """Look at a page."""
        return self.client.get(self.cast.fill(path), headers=headers, environ_overrides={"REMOTE_ADDR": PEER})

    def post(
        self, path: str, *, partial: bool = False, with_token: bool = True, **fields: Any
    ) -> TestResponse:
        """Send a form."""
        token = json.loads(self.client.get("/api/auth/session").data).get("csrfToken")
        data = fields | ({"csrf_token": token} if with_token and token else {})
        return self.client.post(
            self.cast.fill(path),
            data=data,
            headers=PARTIAL if partial else None,
            environ_overrides={"REMOTE_ADDR": PEER},
        )

    def send_as_shown(self, path: str, page: TestResponse, **changed: Any) -> TestResponse:
        """Send the form of a page that was seen earlier, with something changed in it; None unticks."""
        fields = dict(_FIELD.findall(page.text))
        fields |= dict.fromkeys(_TICKED.findall(page.text), "y") | changed
        fields = {name: _unescape(value) for name, value in fields.items() if value is not None}
        return self.post(path, **fields)


_CURSOR = re.compile(r'name="since" value="([^"]*)"')
_ROWS = re.compile(r'<li id="([ku][0-9a-f]{16})"')
_FIELD = re.compile(r'name="(loaded|name|domain)"[^>]*? value="([^"]*)"')
_TICKED = re.compile(r'<input [^>]*\bchecked\b[^>]*? name="(\w+)"')


def _unescape(text: str) -> str:
    return text.replace("&#34;", '"').replace("&quot;", '"').replace("&amp;", "&")


class Looker:
    """The owner of a site in front of its inspector."""

    def __init__(self, world: World, tenant: Tenant) -> None:
        self.path = f"/sites/{tenant.id}/inspector"
        self.client = world.client()
        with world.app.app_context():
            self.client.set_cookie("rybbit_session", _session_of_owner(tenant))

    def look(self, query: str = "") -> TestResponse:
        """Open the page."""
        return self._get(f"{self.path}?{query}", {})

    def see(self, row: str) -> TestResponse:
        """Open one row alone."""
        return self._get(f"{self.path}/{row}", {})

    def poll(self, since: str, query: str = "") -> TestResponse:
        """Ask as the open page does."""
        return self._get(f"{self.path}?{query}&since={since}", PARTIAL)

    def _get(self, path: str, headers: dict[str, str]) -> TestResponse:
        return self.client.get(path, headers=headers, environ_overrides={"REMOTE_ADDR": PEER})


def _session_of_owner(tenant: Tenant) -> str:
    site = db.session.get_one(Site, tenant.site_id)
    organization = db.session.get_one(Organization, site.organization_id)
    owner = organizations.owner_of(organization)
    _, token = start_session(owner, address=PEER, user_agent="Test")
    db.session.commit()
    return token


def cursor_of(answer: TestResponse) -> str:
    (cursor,) = _CURSOR.findall(answer.text)
    return str(cursor)


def rows_of(answer: TestResponse) -> list[str]:
    return _ROWS.findall(answer.text)
