"""What each step does to the data that is there."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic import command
from sqlalchemy import Engine, create_engine, select
from sqlalchemy.orm import Session

from rybbit import migrations
from rybbit.database import configure_engine
from rybbit.models import Account, Key, Site, SiteMember
from tests.conftest import DATABASES

MOMENT = "'2026-01-01 00:00:00.000000'"
SITE_COLUMNS = (
    "id, organization_id, name, domain, created_by, created_at, updated_at, secret, public,"
    " salt_user_ids, block_bots, session_replay, web_vitals, track_errors, track_outbound,"
    " track_url_params, track_initial_page_view, track_spa_navigation, track_ip, excluded_ips,"
    " excluded_countries"
)


@pytest.fixture(params=DATABASES)
def first_version(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Engine]:
    """A database as the first version left it: three sites, of which the last was deleted."""
    uri = f"sqlite:///{tmp_path / 'rybbit.db'}"
    if request.param == "postgresql":
        uri = request.getfixturevalue("new_postgres_database")()
    engine = create_engine(uri)
    configure_engine(engine)
    upgrade = command.upgrade
    with monkeypatch.context() as patch:
        patch.setattr(command, "upgrade", lambda config, _: upgrade(config, "0001"))
        migrations.upgrade(engine, backup_folder=None)
    _fill(engine)
    yield engine
    engine.dispose()


def _fill(engine: Engine) -> None:
    no, empty = ("false", "'\\x00'") if engine.dialect.name == "postgresql" else ("0", "x'00'")
    switches = ", ".join([no] * 11)
    with engine.begin() as connection:
        for statement in (
            f"insert into rybbit_account values ('a', 'ann@example.com', 'Ann', 'hash', {MOMENT}, {MOMENT})",
            f"insert into rybbit_organization values ('o', 'Acme', {MOMENT}, {MOMENT})",
            f"insert into rybbit_member values ('o', 'a', 'owner', {MOMENT})",
            *(
                f"insert into rybbit_site ({SITE_COLUMNS}) values ('abcdefabcde{number}', 'o', 'n',"
                f" 'd{number}.example', 'a', {MOMENT}, {MOMENT}, {empty}, {switches}, '[]', '[\"DE\"]')"
                for number in range(3)
            ),
            "insert into rybbit_key (id, name, token_hash, site_id, created_at)"
            f" values ('k', 'n', 'h', 1, {MOMENT})",
            "delete from rybbit_site where site_id = 3",
        ):
            connection.exec_driver_sql(statement)


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
