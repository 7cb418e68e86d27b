"""The directory: what tracking knows of sites and keys, never more than a second old."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import Engine, create_engine, event
from sqlalchemy.orm import scoped_session

from rybbit import clock
from rybbit.errors import Unavailable
from rybbit.ingest import directory as directory_module
from rybbit.ingest.directory import SiteDirectory, TrackedSite
from rybbit.ingest.key_uses import KeyUses
from rybbit.models import Member, Role, Site
from rybbit.security import make_key, make_site_id
from rybbit.services import keys
from tests.factories import make_member, make_organization, make_site, make_tracking_key
from tests.store.conftest import Clocks

Session = scoped_session[Any]


@pytest.fixture
def directory(clocks: Clocks, engine: Engine) -> SiteDirectory:
    """The directory of another process than the one that makes the changes."""
    return SiteDirectory(engine)


@contextmanager
def _away(directory: SiteDirectory) -> Iterator[None]:
    """The database cannot be reached."""
    engine, directory._engine = directory._engine, create_engine("sqlite:////nowhere/at/all.db")
    yield
    directory._engine = engine


@contextmanager
def _counted(engine: Engine) -> Iterator[list[str]]:
    """The statements that reach the database."""
    statements: list[str] = []

    def note(connection: Any, cursor: Any, statement: str, *_: Any) -> None:
        statements.append(statement)

    event.listen(engine, "before_cursor_execute", note)
    yield statements
    event.remove(engine, "before_cursor_execute", note)


class TestSites:
    """Looking up sites."""

    def test_by_number_and_by_id(self, directory: SiteDirectory, session: Session) -> None:
        site = make_site(excludedIPs=["10.0.0.0/8"], excludedCountries=["DE"], blockBots=False, trackIp=True)
        session.commit()
        found = directory.find_site(str(site.site_id))
        assert found is not None
        assert directory.find_site(site.id) == found
        for name in ("site_id", "id", "organization_id", "domain", "secret", "salt_user_ids"):
            assert getattr(found, name) == getattr(site, name)
        assert (found.block_bots, found.track_ip) == (False, True)
        assert found.exclusions.match_ip("10.1.2.3") == "10.0.0.0/8"
        assert found.exclusions.match_country("DE") == "DE"

    @pytest.mark.parametrize(
        "identifier", ["0", "999", str(2**31 - 1), str(2**31), str(2**63), "9" * 20, "0" * 12, "abcdefabcdef"]
    )
    def test_what_does_not_exist(self, directory: SiteDirectory, session: Session, identifier: str) -> None:
        make_site()
        session.commit()
        assert directory.find_site(identifier) is None

    def test_twelve_characters_are_an_id(self, directory: SiteDirectory, session: Session) -> None:
        site = make_site()
        session.commit()
        assert directory.find_site(f"{site.site_id:012d}") is None


class TestKeys:
    """Looking up keys."""

    def test_of_a_site(self, directory: SiteDirectory, session: Session) -> None:
        site, other = make_site(), make_site()
        key, token = make_tracking_key(site)
        session.commit()
        found = directory.find_key(token)
        assert found is not None
        assert (found.id, found.site_id) == (key.id, site.site_id)
        assert found.may_track(_tracked(directory, site))
        assert not found.may_track(_tracked(directory, other))

    def test_of_an_account(self, directory: SiteDirectory, session: Session) -> None:
        organization = make_organization()
        site, other = make_site(organization), make_site()
        _, token = keys.create_account_key(make_member(organization))
        session.commit()
        found = directory.find_key(token)
        assert found is not None
        assert found.may_track(_tracked(directory, site))
        assert not found.may_track(_tracked(directory, other))

    def test_that_are_none(self, directory: SiteDirectory, session: Session, engine: Engine) -> None:
        make_tracking_key()
        session.commit()
        assert directory.find_key(make_key()) is None
        with _counted(engine) as statements:
            for text in (
                "",
                "rb_",
                "rb_" + "g" * 32,
                make_key() + "0",
                make_key().upper(),
                "rb_\0",
                "\ud800",
            ):
                assert directory.find_key(text) is None
        assert statements == []

    def test_that_were_revoked(self, directory: SiteDirectory, session: Session) -> None:
        key, token = make_tracking_key()
        keys.revoke_key(key)
        session.commit()
        assert directory.find_key(token) is None

    def test_that_expire_while_they_are_remembered(
        self, directory: SiteDirectory, session: Session, clocks: Clocks
    ) -> None:
        account = make_member(make_organization())
        _, token = keys.create_account_key(account, expires_at=clock.now() + timedelta(seconds=0.3))
        session.commit()
        assert directory.find_key(token) is not None
        clocks.move(0.3)
        assert directory.find_key(token) is None
        with _away(directory):
            assert directory.find_key(token) is None


class TestChanges:
    """How soon a change counts."""

    def test_in_another_process_within_a_second(
        self, directory: SiteDirectory, session: Session, clocks: Clocks
    ) -> None:
        site = make_site(blockBots=True)
        key, token = make_tracking_key(site)
        session.commit()
        assert _tracked(directory, site).block_bots
        assert directory.find_key(token) is not None
        site.block_bots = False
        keys.revoke_key(key)
        session.commit()
        clocks.move(0.9)
        assert not _tracked(directory, site).block_bots
        assert directory.find_key(token) is None

    def test_what_did_not_exist_is_found_within_a_second(
        self, directory: SiteDirectory, session: Session, clocks: Clocks
    ) -> None:
        new_id = make_site_id()
        assert directory.find_site(new_id) is None
        site = make_site()
        site.id = new_id
        session.commit()
        clocks.move(0.9)
        assert directory.find_site(new_id) is not None

    def test_who_left_an_organization_tracks_no_more(
        self, directory: SiteDirectory, session: Session, clocks: Clocks
    ) -> None:
        organization = make_organization()
        site = make_site(organization)
        account = make_member(organization, Role.ADMIN)
        _, token = keys.create_account_key(account)
        session.commit()
        found = directory.find_key(token)
        assert found is not None and found.may_track(_tracked(directory, site))
        session.delete(session.get(Member, (organization.id, account.id)))
        session.commit()
        clocks.move(0.9)
        found = directory.find_key(token)
        assert found is not None and not found.may_track(_tracked(directory, site))

    def test_in_the_own_process_at_once(self, app: Flask, session: Session, clocks: Clocks) -> None:
        own: SiteDirectory = app.extensions["rybbit"].directory
        site = make_site(blockBots=True)
        session.commit()
        assert _tracked(own, site).block_bots
        site.block_bots = False
        session.commit()
        assert not _tracked(own, site).block_bots

    def test_what_was_read_before_a_change_is_not_remembered_after_it(
        self, directory: SiteDirectory, session: Session, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        site = make_site(blockBots=True)
        session.commit()
        real = directory._load_site

        def slow(identifier: str) -> TrackedSite | None:
            found = real(identifier)
            monkeypatch.setattr(directory, "_load_site", real)
            site.block_bots = False
            session.commit()
            directory.forget()
            return found

        monkeypatch.setattr(directory, "_load_site", slow)
        directory.find_site(site.id)
        assert not _tracked(directory, site).block_bots


class TestMemory:
    """What is asked of the database, and what is not."""

    def test_a_site_is_read_once(self, directory: SiteDirectory, session: Session, engine: Engine) -> None:
        site = make_site()
        _, token = make_tracking_key(site)
        session.commit()
        site_id = site.id
        with _counted(engine) as statements:
            for _ in range(100):
                directory.find_site(site_id)
                directory.find_key(token)
                directory.find_site("4711")
        assert len(statements) == 4

    def test_a_key_is_compared_in_constant_time(
        self, directory: SiteDirectory, session: Session, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        _, token = make_tracking_key(make_site())
        session.commit()
        assert directory.find_key(token) is not None
        # Nothing else decides whether it is the one.
        monkeypatch.setattr(directory_module, "is_same", lambda *_: False)
        assert directory.find_key(token) is None

    def test_exclusions_are_compiled_once(
        self, directory: SiteDirectory, session: Session, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        site = make_site(excludedIPs=["10.0.0.0/8"])
        session.commit()
        compiled = []
        real = directory_module.compile_exclusions
        monkeypatch.setattr(
            directory_module,
            "compile_exclusions",
            lambda *rules: compiled.append(rules) or real(*rules),  # type: ignore[func-returns-value]
        )
        for _ in range(100):
            assert _tracked(directory, site).exclusions.match_ip("10.1.2.3") == "10.0.0.0/8"
        assert len(compiled) == 1

    def test_a_look_at_the_revision_twice_a_second(
        self, directory: SiteDirectory, session: Session, engine: Engine, clocks: Clocks
    ) -> None:
        site = make_site()
        session.commit()
        site_id = site.id
        directory.find_site(site_id)
        with _counted(engine) as statements:
            for _ in range(80):
                clocks.move(0.125)  # adds up without rounding, whatever the clock showed before
                directory.find_site(site_id)
        assert len(statements) == 20
        assert all("rybbit_revision" in statement for statement in statements)

    def test_it_is_bounded(
        self, directory: SiteDirectory, session: Session, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(directory_module, "_REMEMBERED", 10)
        site = make_site()
        session.commit()
        for number in range(50):
            directory.find_site(str(1_000_000 + number))
            directory.find_key(make_key())
        assert len(directory._sites) == len(directory._keys) == 10
        assert _tracked(directory, site).id == site.id


class TestDatabaseAway:
    """The control database does not answer."""

    def test_what_is_known_goes_on_and_the_rest_is_told(
        self, directory: SiteDirectory, session: Session, clocks: Clocks
    ) -> None:
        site = make_site()
        _, token = make_tracking_key(site)
        session.commit()
        known = directory.find_site(site.id)
        directory.find_key(token)
        site_number = str(site.site_id)
        with _away(directory):
            for _ in range(3):
                clocks.move(1)
                assert directory.find_site(site.id) == known
                assert directory.find_key(token) is not None
                with pytest.raises(Unavailable):
                    directory.find_site(site_number)
                with pytest.raises(Unavailable):
                    directory.find_key(make_key())
        # The failure was not taken for an answer.
        assert directory.find_site(site_number) == known

    def test_a_change_meanwhile_counts_when_it_is_back(
        self, directory: SiteDirectory, session: Session, clocks: Clocks
    ) -> None:
        site = make_site(blockBots=True)
        session.commit()
        assert _tracked(directory, site).block_bots
        with _away(directory):
            site.block_bots = False
            session.commit()
            clocks.move(5)
            directory.find_site(site.id)
        clocks.move(0.6)
        assert not _tracked(directory, site).block_bots


class TestUses:
    """When a key was last used."""

    def test_a_use_of_a_real_key_is_noted(
        self, directory: SiteDirectory, session: Session, clocks: Clocks
    ) -> None:
        key, token = make_tracking_key()
        session.commit()
        directory.find_key(token)
        clocks.move(2)
        directory.find_key(token)
        directory.find_key(make_key())
        written: list[dict[str, datetime]] = []
        directory.uses.flush(lambda uses: written.append(dict(uses)))
        assert written == [{key.id: clock.now()}]

    def test_later_uses_are_written_once_a_minute(self, clocks: Clocks) -> None:
        uses = KeyUses()
        written: list[tuple[str, datetime]] = []
        moments = []
        for seconds in (0, 2, 57.9, 0.1, 59.9, 0.2):
            clocks.move(seconds)
            moments.append(clock.now())
            uses.note("key_1")
            uses.flush(lambda each: written.extend(each.items()))
        assert written == [("key_1", moments[0]), ("key_1", moments[3]), ("key_1", moments[5])]
        uses.note("key_1")
        uses.note("key_2")
        uses.flush(lambda each: written.extend(each.items()))
        assert written[3:] == [("key_2", moments[5])]

    def test_at_the_end_all_uses_are_written(self, clocks: Clocks) -> None:
        uses = KeyUses()
        written: list[dict[str, datetime]] = []
        for _ in range(2):
            clocks.move(1)
            uses.note("key_1")
            uses.flush(lambda each: written.append(dict(each)), everything=True)
        assert [each["key_1"] for each in written] == [clock.now() - timedelta(seconds=1), clock.now()]

    def test_uses_that_cannot_be_written_stay(self, clocks: Clocks) -> None:
        uses = KeyUses()
        uses.note("key_1")

        def fail(_: Mapping[str, datetime]) -> None:
            raise Unavailable("away")

        written: list[dict[str, datetime]] = []
        with pytest.raises(Unavailable):
            uses.flush(fail)
        uses.flush(lambda each: written.append(dict(each)))
        uses.flush(lambda each: written.append(dict(each)))
        assert written == [{"key_1": clock.now()}]


def _tracked(directory: SiteDirectory, site: Site) -> TrackedSite:
    found = directory.find_site(site.id)
    assert found is not None
    return found
