"""What each step does to the data that is there."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine, create_engine, select
from sqlalchemy.orm import Session

from rybbit import migrations
from rybbit.models import Account, Key, Site, SiteMember
from tests.conftest import DATABASES
from tests.first_version import make_first_version


@pytest.fixture(params=DATABASES)
def first_version(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    """A database as the first version left it, on each kind of server."""
    uri = f"sqlite:///{tmp_path / 'rybbit.db'}"
    if request.param == "postgresql":
        uri = request.getfixturevalue("new_postgres_database")()
    engine = create_engine(uri)
    make_first_version(engine)
    yield engine
    engine.dispose()


def test_sites_keep_what_they_had_and_are_open(first_version: Engine) -> None:
    migrations.upgrade(first_version, backup_folder=None)
    with Session(first_version) as session:
        found = session.scalars(select(Site).order_by(Site.site_id)).all()
        assert [(site.site_id, site.domain) for site in found] == [(1, "d0.example"), (2, "d1.example")]
        assert {site.restricted for site in found} == {False}
        assert {site.private_link_key for site in found} == {None}
        assert [(site.excluded_countries, site.exclusion_notes) for site in found] == [(["DE"], {})] * 2
        assert session.scalars(select(Key.site_id)).all() == [1]
        assert session.scalars(select(Account.password_hash)).all() == ["hash"]


def test_the_number_of_a_site_deleted_before_is_not_used_again(first_version: Engine) -> None:
    migrations.upgrade(first_version, backup_folder=None)
    with Session(first_version) as session:
        site = Site(organization_id="o", name="n", domain="new.example")
        session.add(site)
        session.flush()
        assert site.site_id == 4
        session.add(SiteMember(site_id=site.site_id, account_id="a"))
        session.flush()


def test_a_copy_of_a_file_is_kept_and_of_nothing_else(
    first_version: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    migrations.upgrade(first_version, backup_folder=tmp_path / "backups")
    copies = list((tmp_path / "backups").glob("rybbit-0001-*.db"))
    assert len(copies) == (1 if first_version.dialect.name == "sqlite" else 0)
    # What a PostgreSQL database is called is not the name of a file.
    assert list((tmp_path / "here").iterdir()) == []
