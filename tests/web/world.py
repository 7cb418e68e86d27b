"""A running app with real stores, the sites in it, and both ways into tracking."""

import io
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

import pytest
from flask import Flask
from werkzeug.test import Client, TestResponse, run_wsgi_app
from werkzeug.wrappers import Response

from rybbit import clock
from rybbit.extensions import db
from rybbit.factory import create_app
from rybbit.models import Key, Organization, Role, Site
from rybbit.runtime import Runtime
from rybbit.services import keys, sites
from rybbit.store.event import COLUMNS
from tests.factories import make_account, make_member, make_organization, make_site
from tests.ingest.mmdb import city_record, write_database

WAYS = ["front", "flask"]
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
CRAWLER = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"

# Addresses of documentation networks, and where the tests' own database puts them.
PEER = "192.0.2.1"  # nowhere
BRITISH = "203.0.113.5"
GERMAN = "2001:db8:de::5"
PLACES = {
    "203.0.113.0/24": city_record(
        "GB",
        city="London",
        region_code="ENG",
        region_name="England",
        latitude=51.5,
        longitude=-0.12,
        timezone="Europe/London",
    ),
    "2001:db8:de::/48": city_record("DE", city="Berlin", latitude=52.5, longitude=13.4),
}

_SHOWN_COLUMNS = [column.name for column in COLUMNS]
_STORED = f"""
select {", ".join(f"epoch_ms({name})" if name == "timestamp" else name for name in _SHOWN_COLUMNS)}
from events where site_id = $site_id order by id
"""


@dataclass(frozen=True)
class Tenant:
    """A site, its owner's keys and a key that tracks for it."""

    site_id: int
    id: str
    domain: str
    key_id: str
    api_key: str
    account_key: str

    @property
    def origin(self) -> str:
        """What a browser on a page of the site sends."""
        return f"https://{self.domain}"


class World:
    """An app, the sites in it and what it stored."""

    def __init__(self, app: Flask) -> None:
        self.app = app
        self.runtime = cast(Runtime, app.extensions["rybbit"])

    def client(self, way: str = "front") -> Client:
        """A client that comes through the front, or to the Flask app below it."""
        self.runtime.start()  # what the front does with every request
        entry = self.app.wsgi_app if way == "front" else self.app.wsgi_app.app  # type: ignore[attr-defined]
        return Client(entry)

    def close(self) -> None:
        """Stop the app and let go of its files."""
        self.runtime.stop()
        self.disconnect()

    def disconnect(self) -> None:
        """Close the connections to the control database; the next use opens others."""
        with self.app.app_context():
            db.session.remove()
            db.engine.dispose()

    def add_tenant(self, **settings: Any) -> Tenant:
        """A site of an organization of its own."""
        with self.app.app_context():
            owner = make_account()
            site = make_site(make_organization(owner=owner), **settings)
            tracking_key, token = keys.create_tracking_key(site)
            _, account_token = keys.create_account_key(owner)
            tenant = Tenant(site.site_id, site.id, site.domain, tracking_key.id, token, account_token)
            db.session.commit()
        return tenant

    def add_neighbours(self, tenant: Tenant, count: int) -> list[str]:
        """The ids of further sites of the same organization."""
        with self.app.app_context():
            ids = [make_site(_organization_of(tenant)).id for _ in range(count)]
            db.session.commit()
        return ids

    def add_key(self, tenant: Tenant) -> str:
        """One more tracking key of the site."""
        with self.app.app_context():
            _, token = keys.create_tracking_key(sites.site_for(tenant.site_id))
            db.session.commit()
        return token

    def add_member_key(self, tenant: Tenant, role: Role = Role.MEMBER) -> str:
        """The account key of a new member of the site's organization."""
        with self.app.app_context():
            member = make_member(_organization_of(tenant), role)
            _, token = keys.create_account_key(member)
            db.session.commit()
        return token

    def add_organization_key(self, tenant: Tenant) -> str:
        """A key that belongs to the site's organization."""
        with self.app.app_context():
            key, token = keys.create_account_key(make_account())
            key.account_id, key.organization_id = None, _organization_of(tenant).id
            db.session.commit()
        return token

    def change(self, tenant: Tenant, **settings: Any) -> None:
        """Change settings of the site by their outside names."""
        with self.app.app_context():
            sites.update_site(sites.site_for(tenant.site_id), settings)
            db.session.commit()

    def revoke(self, token: str) -> None:
        """End a key."""
        with self.app.app_context():
            keys.revoke_key(_key_of(token))
            db.session.commit()

    def expire(self, token: str) -> None:
        """Let a key have ended a second ago."""
        with self.app.app_context():
            _key_of(token).expires_at = clock.now() - timedelta(seconds=1)
            db.session.commit()

    def stored(self, tenant: Tenant) -> list[dict[str, Any]]:
        """The site's events as they lie in the store, in the order of receipt."""
        rows = self.runtime.store.query(_STORED, {"site_id": tenant.site_id})
        return [dict(zip(_SHOWN_COLUMNS, row, strict=True)) for row in rows]

    def drops(self, tenant: Tenant) -> dict[tuple[str, str], int]:
        """What was counted as not stored, by reason and rule, as the site's owner is told."""
        self.runtime.drops.flush()
        answer = self.read(tenant, "drops")
        assert answer.status_code == 200
        counts: dict[tuple[str, str], int] = {}
        for row in json.loads(answer.data)["data"]:
            name = (row["reason"], row["rule"])
            counts[name] = counts.get(name, 0) + row["count"]
        return counts

    def read(self, tenant: Tenant, question: str, *, key: str | None = "") -> TestResponse:
        """Ask about the site; with the owner's key unless another one, or None, is given."""
        token = tenant.account_key if key == "" else key
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        return self.client().get(f"/api/sites/{tenant.site_id}/{question}", headers=headers)


class Sender:
    """Whoever posts events: a server with the site's key, or a browser on one of its pages."""

    def __init__(self, client: Client, tenant: Tenant) -> None:
        self.client = client
        self.tenant = tenant

    def post(
        self,
        body: Any,
        *,
        path: str = "/api/track",
        headers: Mapping[str, str] | None = None,
        peer: str = PEER,
        content_type: str | None = "application/json",
    ) -> TestResponse:
        """Post a body (bytes as they are, anything else as JSON); nothing is added to it."""
        return self.client.post(
            path,
            data=body if isinstance(body, bytes) else json.dumps(body).encode(),
            content_type=content_type,
            headers={"User-Agent": FIREFOX, **(headers or {})},
            environ_overrides={"REMOTE_ADDR": peer},
        )

    def event(self, **fields: Any) -> dict[str, Any]:
        """A pageview of the site with further fields."""
        return {"site_id": str(self.tenant.site_id), "pathname": "/", **fields}

    def send(self, *, key: str | None = None, peer: str = PEER, **fields: Any) -> TestResponse:
        """Send an event as a server does: with the site's key, or another one."""
        headers = {"Authorization": f"Bearer {self.tenant.api_key if key is None else key}"}
        return self.post(self.event(**fields), headers=headers, peer=peer)

    def browse(self, *, headers: Mapping[str, str] | None = None, **fields: Any) -> TestResponse:
        """Send an event as a page of the site does."""
        return self.post(self.event(**fields), headers={"Origin": self.tenant.origin, **(headers or {})})


def call(client: Client, environ: Mapping[str, Any]) -> Response:
    """Hand the app an environment as a server would, with nothing put right; `wsgi.input` may be anything."""
    least = {
        "REQUEST_METHOD": "POST",
        "SERVER_NAME": "localhost",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "wsgi.url_scheme": "http",
        "wsgi.errors": io.StringIO(),
    }
    return Response(*run_wsgi_app(client.application, {**least, **environ}, buffered=True))


def prepare(folder: Path, migrated_file: Path) -> dict[str, object]:
    """Make an instance folder with an empty database, if there is none; answers the settings that name it."""
    folder.mkdir(mode=0o700, exist_ok=True)
    if not (folder / "rybbit.db").exists():
        shutil.copy(migrated_file, folder / "rybbit.db")
        write_database(folder / "places.mmdb", PLACES)
    return {"RYBBIT_INSTANCE_PATH": str(folder), "RYBBIT_GEOIP_DATABASE": str(folder / "places.mmdb")}


@contextmanager
def running(folder: Path, migrated_file: Path, **settings: Any) -> Iterator[World]:
    """An app on an instance folder, which may be new; stopped at the end."""
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("RYBBIT_")]:
            patch.delenv(name)
        app = create_app(prepare(folder, migrated_file) | settings)
    app.testing = True
    world = World(app)
    try:
        yield world
    finally:
        world.close()


@contextmanager
def broken_journal(world: World) -> Iterator[None]:
    """A file lies where the journal's folder was; nothing can be made in that, not even by root."""
    world.runtime.journal.close_file()
    folder = world.runtime.journal_folder.path
    aside = folder.with_name("journal.aside")
    folder.rename(aside)
    folder.touch()
    try:
        yield
    finally:
        folder.unlink()
        aside.rename(folder)


@contextmanager
def broken_database(world: World) -> Iterator[None]:
    """The control database cannot be opened for a while."""
    file = world.runtime.config.instance_path / "rybbit.db"
    aside = file.with_name("aside.db")
    world.disconnect()
    file.rename(aside)
    file.mkdir()
    try:
        yield
    finally:
        world.disconnect()
        file.rmdir()
        aside.rename(file)


def _organization_of(tenant: Tenant) -> Organization:
    site = db.session.get(Site, tenant.site_id)
    assert site is not None
    organization = db.session.get(Organization, site.organization_id)
    assert organization is not None
    return organization


def _key_of(token: str) -> Key:
    key = keys.find_key(token)
    assert key is not None
    return key
