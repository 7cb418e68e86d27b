"""The people and programs around one site, and what each of them shows to the server."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from sqlalchemy import select, text
from werkzeug.test import Client, TestResponse

from rybbit import clock
from rybbit.extensions import Base, db
from rybbit.models import Account, Key, Organization, Role, Scope, Site
from rybbit.services import keys, organizations, site_access
from rybbit.services.sign_in import end_session, start_session
from tests.factories import make_account, make_member, make_organization, make_site
from tests.web.world import PEER, World

WRONG_KEY = "rb_" + "0" * 32
_WRITING = ("POST", "PUT", "DELETE")

# Whom the server does not know.
UNKNOWN = (
    "nobody",
    "wrong key",
    "revoked key",
    "expired key",
    "tracking key",
    "ended session",
    "wrong cookie",
)
# For whom the site does not exist. The site is restricted: of the members it is for "member" alone.
STRANGERS = ("stranger", "other member", "stranger in a browser", "key of another organization")
MEMBERS = ("member", "member in a browser")
ADMINS = ("owner", "admin", "organization key", "owner in a browser", "admin in a browser")


@dataclass
class Cast:
    """A restricted site and everybody around it; tokens are keys, or cookies of browsers, by caller."""

    world: World
    site_id: int
    id: str
    organization_id: str
    domain: str
    accounts: dict[str, str] = field(default_factory=dict)
    keys: dict[str, str] = field(default_factory=dict)
    cookies: dict[str, str] = field(default_factory=dict)
    things: dict[str, str] = field(default_factory=dict)

    def fill(self, template: str) -> str:
        """A path with the ids of this cast in it."""
        names = {"site": self.site_id, "org": self.organization_id, **self.accounts, **self.things}
        return template.format_map(names)

    def call(
        self,
        caller: str,
        method: str,
        path: str,
        body: object = None,
        *,
        headers: Mapping[str, str] | None = None,
    ) -> TestResponse:
        """Ask as somebody; a browser shows its CSRF token with writes. Bytes are sent as they are."""
        client = self.client(caller)
        shown = self.headers(client, caller, method) | dict(headers or {})
        data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        return client.open(
            self.fill(path),
            method=method,
            data=data,
            headers=shown,
            content_type="application/json",
            environ_overrides={"REMOTE_ADDR": PEER},
        )

    def client(self, caller: str) -> Client:
        """A client of somebody, with the cookie of their browser."""
        client = self.world.client()
        if caller in self.cookies:
            client.set_cookie("rybbit_session", self.cookies[caller])
        return client

    def headers(self, client: Client, caller: str, method: str) -> dict[str, str]:
        """What somebody shows in headers."""
        if caller in self.keys:
            return {"Authorization": f"Bearer {self.keys[caller]}"}
        if caller in self.cookies and method in _WRITING:
            answer = client.get("/api/auth/session")
            token = json.loads(answer.data).get("csrfToken")
            return {"X-CSRFToken": token} if token else {}
        return {}

    def limited_key(self, *scopes: Scope) -> str:
        """A key of the owner that is limited to these scopes."""
        with self.world.app.app_context():
            owner = db.session.get_one(Account, self.accounts["owner"])
            _, token = keys.create_account_key(owner, scopes=scopes)
            db.session.commit()
        return token

    def site(self) -> dict[str, Any] | None:
        """The site's row as the database has it now."""
        with self.world.app.app_context():
            found = db.session.scalar(select(Site).where(Site.site_id == self.site_id))
            return None if found is None else {c.name: getattr(found, c.name) for c in Site.__table__.columns}


def make_cast(world: World, **settings: Any) -> Cast:
    """A site of its own with everybody around it."""
    with world.app.app_context():
        owner = make_account()
        organization = make_organization(owner=owner)
        site = make_site(organization, **settings)
        cast = Cast(world, site.site_id, site.id, organization.id, site.domain)
        people = {
            "owner": owner,
            "admin": make_member(organization, Role.ADMIN),
            "member": make_member(organization),
            "other member": make_member(organization),
            "stranger": make_account(),
        }
        site_access.limit_site(site)
        site_access.allow_member(site, people["member"])
        for name, account in people.items():
            cast.accounts[name] = account.id
            cast.keys[name] = keys.create_account_key(account)[1]
            cast.cookies[f"{name} in a browser"] = _cookie(account)
        make_organization(owner=people["stranger"])
        _add_odd_keys(cast, owner, organization, site)
        db.session.commit()
    return cast


def _add_odd_keys(cast: Cast, owner: Account, organization: Organization, site: Site) -> None:
    cast.keys["wrong key"] = WRONG_KEY
    revoked, cast.keys["revoked key"] = keys.create_account_key(owner)
    keys.revoke_key(revoked)
    expired, cast.keys["expired key"] = keys.create_account_key(owner)
    expired.expires_at = clock.now() - timedelta(seconds=1)
    cast.keys["tracking key"] = keys.create_tracking_key(site)[1]
    cast.keys["organization key"] = keys.create_organization_key(organization)[1]
    cast.keys["key of another organization"] = keys.create_organization_key(make_organization())[1]
    ended, cast.cookies["ended session"] = start_session(owner, address="192.0.2.9", user_agent="Test")
    end_session(ended)
    cast.cookies["wrong cookie"] = "x" * 43


def _cookie(account: Account) -> str:
    return start_session(account, address="192.0.2.9", user_agent="Test")[1]


# What a request may change without being told to: when a key or a session was last used.
_MOVING = {"last_used_at", "last_seen_at", "expires_at"}


def everything(world: World) -> dict[str, list[tuple[Any, ...]]]:
    """Every row of the control database, to see whether a request changed anything."""
    found: dict[str, list[tuple[Any, ...]]] = {}
    with world.app.app_context():
        for table in Base.metadata.sorted_tables:
            columns = ", ".join(c.name for c in table.columns if c.name not in _MOVING)
            rows = db.session.execute(text(f"select {columns} from {table.name} order by 1, 2"))
            found[table.name] = [tuple(map(str, row)) for row in rows]
    return found


def key_of(token: str) -> Key:
    """The row of a key."""
    found = keys.find_key(token)
    assert found is not None
    return found


def members_role(cast: Cast, name: str) -> Role | None:
    """The role that somebody has now."""
    with cast.world.app.app_context():
        account = db.session.get_one(Account, cast.accounts[name])
        return organizations.role_of(account, cast.organization_id)
