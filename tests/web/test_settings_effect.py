"""A changed setting or key is obeyed: at once in the process of the change, within a second in any other."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event, select

from rybbit import clock
from rybbit.extensions import db
from rybbit.models import Member
from tests.web.world import BRITISH, CRAWLER, PEER, Sender, World, running

ACCEPTED = (200, {"success": True})
INVALID_KEY = (403, {"success": False, "error": "Invalid API key"})
BOT = (200, {"success": True, "message": "Event not tracked - bot detected"})
Outcome = tuple[int, Any]


@pytest.fixture
def worlds(tmp_path: Path, migrated_file: Path) -> Iterator[tuple[World, World]]:
    """Two apps on one instance folder."""
    folder = tmp_path / "instance"
    with running(folder, migrated_file) as one, running(folder, migrated_file) as two:
        yield one, two


@pytest.fixture
def a_second_later(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Stops the clock by which workers look for changes; calling it moves the clock on by a second."""
    moment = [clock.monotonic()]
    monkeypatch.setattr(clock, "monotonic", lambda: moment[0])

    def move() -> None:
        moment[0] += 1.0

    return move


@pytest.fixture(params=["here", "other app", "other process"])
def place(request: pytest.FixtureRequest) -> str:
    """Where the change is made, seen from the app that is asked."""
    return str(request.param)


class Change:
    """Changes the site of a sender somewhere, and waits no longer than it has to."""

    def __init__(self, worlds: tuple[World, World], way: str, place: str, later: Callable[[], None]) -> None:
        self.asked, self._other = worlds
        self.sender = Sender(self.asked.client(way), self.asked.add_tenant())
        self._place = place
        self._later = later

    def set(self, **settings: Any) -> None:
        """Change settings of the site."""
        if self._place == "other process":
            site = self.sender.tenant.id
            self._run("site", "set", "--site", site, *(f"{name}={text}" for name, text in settings.items()))
            return
        words = {"true": True, "false": False}
        values = {
            name: text.split(",") if name.startswith("excluded") else words.get(text, text)
            for name, text in settings.items()
        }
        self._world().change(self.sender.tenant, **values)
        self._wait()

    def revoke(self) -> None:
        """End the site's key."""
        if self._place == "other process":
            self._run("key", "revoke", self.sender.tenant.key_id)
            return
        self._world().revoke(self.sender.tenant.api_key)
        self._wait()

    def _world(self) -> World:
        return self.asked if self._place == "here" else self._other

    def _wait(self) -> None:
        if self._place != "here":
            self._later()

    def _run(self, *arguments: str) -> None:
        folder = self.asked.runtime.config.instance_path
        done = subprocess.run(
            [sys.executable, "-m", "rybbit", *arguments],
            env=os.environ | {"RYBBIT_INSTANCE_PATH": str(folder)},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        self._later()


@pytest.fixture
def change(worlds: tuple[World, World], way: str, place: str, a_second_later: Callable[[], None]) -> Change:
    return Change(worlds, way, place, a_second_later)


def _told(change: Change, **fields: Any) -> Outcome:
    answer = change.sender.send(**fields)
    return answer.status_code, answer.json


def _told_browser(change: Change, **headers: str) -> Outcome:
    answer = change.sender.browse(headers=headers)
    return answer.status_code, answer.json


def test_a_key_is_revoked(change: Change) -> None:
    assert _told(change) == ACCEPTED
    change.revoke()
    assert _told(change) == INVALID_KEY


def test_addresses_and_countries_are_excluded(change: Change) -> None:
    assert _told(change) == _told(change, ip_address=BRITISH) == ACCEPTED
    change.set(excludedIPs=f"{PEER},198.51.100.0/24", excludedCountries="DE,GB")
    assert _told(change) == (200, {"success": True, "message": "Event not tracked - IP excluded"})
    country = {"success": True, "message": "Event not tracked - country excluded"}
    assert _told(change, ip_address=BRITISH) == (200, country)
    change.set(excludedIPs="198.51.100.0/24", excludedCountries="DE")
    assert _told(change) == _told(change, ip_address=BRITISH) == ACCEPTED
    assert len(change.asked.stored(change.sender.tenant)) == 4


def test_bots_are_allowed_and_kept_out_again(change: Change) -> None:
    assert _told_browser(change, **{"User-Agent": CRAWLER}) == BOT
    change.set(blockBots="false")
    assert _told_browser(change, **{"User-Agent": CRAWLER}) == ACCEPTED
    change.set(blockBots="true")
    assert _told_browser(change, **{"User-Agent": CRAWLER}) == BOT


def test_the_domain_changes(change: Change) -> None:
    old = change.sender.tenant.origin
    new = "https://www.new-name.example"
    refused = {"success": False, "error": f"Origin mismatch. Received: {new}"}
    assert (_told_browser(change), _told_browser(change, Origin=new)) == (ACCEPTED, (403, refused))
    change.set(domain="new-name.example")
    refused["error"] = f"Origin mismatch. Received: {old}"
    assert (_told_browser(change), _told_browser(change, Origin=new)) == ((403, refused), ACCEPTED)


def test_what_is_kept_of_a_visitor_changes(change: Change) -> None:
    _told(change)
    change.set(trackIp="true", saltUserIds="true")
    _told(change)
    plain, salted = change.asked.stored(change.sender.tenant)
    assert (plain["ip"], salted["ip"]) == (None, PEER)
    assert plain["user_hash"] != salted["user_hash"]


@pytest.mark.parametrize("place", ["here", "other app"])
def test_what_was_unknown_is_known(
    worlds: tuple[World, World], way: str, place: str, a_second_later: Callable[[], None]
) -> None:
    asked, other = worlds
    maker = asked if place == "here" else other
    first = Sender(asked.client(way), asked.add_tenant())
    number = str(first.tenant.site_id + 1)
    assert first.send(site_id=number).status_code == 403
    second = maker.add_tenant()
    assert str(second.site_id) == number
    if place == "other app":
        a_second_later()
    assert Sender(asked.client(way), second).send().json == ACCEPTED[1]


@pytest.mark.parametrize("place", ["here", "other app"])
def test_a_member_leaves(change: Change, place: str) -> None:
    sender = change.sender
    assert _told(change, key=sender.tenant.account_key) == ACCEPTED
    with change._world().app.app_context():
        for member in db.session.scalars(select(Member)):
            db.session.delete(member)
        db.session.commit()
    change._wait()
    assert change.asked.read(sender.tenant, "overview").status_code == 404
    assert _told(change, key=sender.tenant.account_key) == INVALID_KEY
    assert _told(change) == ACCEPTED


def test_within_the_second_the_database_is_hardly_asked(
    worlds: tuple[World, World], way: str, a_second_later: Callable[[], None]
) -> None:
    """What makes the second necessary: a thousand events cost no thousand questions."""
    world, _ = worlds
    sender = Sender(world.client(way), world.add_tenant())
    assert sender.send().json == ACCEPTED[1]
    statements: list[str] = []
    with world.app.app_context():
        engine = db.engine
    event.listen(engine, "before_cursor_execute", lambda *call: statements.append(call[2]))
    for _ in range(15):
        assert sender.send().json == ACCEPTED[1]
    assert len(statements) <= 2
    a_second_later()
    assert sender.send().json == ACCEPTED[1]
    assert any("rybbit_revision" in statement for statement in statements)
