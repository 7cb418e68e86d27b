"""Bringing the control database up to date: completely, once, and with a copy kept."""

import shutil
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, MetaData, create_engine, inspect

from rybbit import migrations
from rybbit.database import configure_engine
from rybbit.errors import ConfigurationError
from rybbit.extensions import Base
from tests.conftest import DATABASES

# As the first version wrote them.
_SITE_COLUMNS = (
    "site_id, id, organization_id, name, domain, created_by, created_at, updated_at, secret, public,"
    " salt_user_ids, block_bots, session_replay, web_vitals, track_errors, track_outbound,"
    " track_url_params, track_initial_page_view, track_spa_navigation, track_ip, excluded_ips,"
    " excluded_countries"
)
# The step that a later version would add.
_HEAD = migrations.head_revision()
_NEXT = f"{int(_HEAD) + 1:04d}"


@pytest.fixture(params=DATABASES)
def empty_engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    """An engine on a database without any tables."""
    uri = f"sqlite:///{tmp_path / 'rybbit.db'}"
    if request.param == "postgresql":
        uri = request.getfixturevalue("new_postgres_database")()
    engine = create_engine(uri)
    configure_engine(engine)
    yield engine
    engine.dispose()


@pytest.fixture
def sqlite_engine(tmp_path: Path) -> Iterator[Engine]:
    """An engine on a SQLite database that is up to date and holds a site with a key."""
    engine = create_engine(f"sqlite:///{tmp_path / 'rybbit.db'}")
    configure_engine(engine)
    migrations.upgrade(engine, backup_folder=None)
    moment = "'2026-01-01 00:00:00.000000'"
    with engine.begin() as connection:
        connection.exec_driver_sql(f"insert into rybbit_organization values ('o', 'n', {moment}, {moment})")
        switches = ", ".join("0" for _ in range(11))
        connection.exec_driver_sql(
            f"insert into rybbit_site ({_SITE_COLUMNS}) values"
            f" (1, 'abcdefabcdef', 'o', 'n', 'd', null, {moment}, {moment}, x'00', {switches}, '[]', '[]')"
        )
        connection.exec_driver_sql(
            "insert into rybbit_key (id, name, token_hash, site_id, created_at)"
            f" values ('k', 'n', 'h', 1, {moment})"
        )
    yield engine
    engine.dispose()


StepMaker = Callable[[str], None]


@pytest.fixture
def add_step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> StepMaker:
    """Adds a step to a copy of the scripts, as a later version would."""
    folder = tmp_path / "100% scripts"
    shutil.copytree(migrations.SCRIPTS, folder, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(migrations, "SCRIPTS", folder)

    def add(body: str) -> None:
        lines = "\n".join(f"    {line}" for line in body.splitlines())
        text = (
            "import sqlalchemy as sa\nfrom alembic import op\n\n"
            f"revision = '{_NEXT}'\ndown_revision = '{_HEAD}'\n\n\ndef upgrade():\n{lines}\n"
        )
        (folder / "versions" / f"v{_NEXT}_later.py").write_text(text)

    return add


def _options() -> dict[str, Any]:
    return {"version_table": migrations.VERSION_TABLE, "include_name": migrations.is_ours}


def _constraints(engine: Engine) -> dict[str, Any]:
    """What autogenerate does not compare: checks, delete rules, primary keys."""
    found = inspect(engine)
    tables = [name for name in found.get_table_names() if name != migrations.VERSION_TABLE]
    return {
        table: (
            found.get_pk_constraint(table),
            sorted(str(check) for check in found.get_check_constraints(table)),
            sorted(str(key) for key in found.get_foreign_keys(table)),
            sorted(str(key) for key in found.get_unique_constraints(table)),
        )
        for table in tables
    }


def test_the_steps_make_what_the_models_say(empty_engine: Engine) -> None:
    migrations.upgrade(empty_engine, backup_folder=None)
    with empty_engine.connect() as connection:
        context = MigrationContext.configure(connection, opts=_options())
        assert compare_metadata(context, Base.metadata) == []
    migrated = _constraints(empty_engine)
    reflected = MetaData()
    reflected.reflect(empty_engine)
    reflected.drop_all(empty_engine)
    Base.metadata.create_all(empty_engine)
    assert migrated == _constraints(empty_engine)
    assert set(migrated) == set(Base.metadata.tables)


def test_the_steps_are_named_after_their_files() -> None:
    scripts = ScriptDirectory(str(migrations.SCRIPTS))
    for script in scripts.walk_revisions():
        assert Path(script.path).name.startswith(f"v{script.revision}_")
    assert scripts.get_heads() == [migrations.head_revision()]


def test_an_incomplete_package_says_so(
    tmp_path: Path, empty_engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(migrations, "SCRIPTS", tmp_path)
    with pytest.raises(ConfigurationError, match="incomplete"):
        migrations.upgrade(empty_engine, backup_folder=None)


def test_sites_are_numbered_without_reuse_in_sqlite(sqlite_engine: Engine) -> None:
    with sqlite_engine.connect() as connection:
        query = "select sql from sqlite_master where name = 'rybbit_site'"
        assert "AUTOINCREMENT" in str(connection.exec_driver_sql(query).scalar())


def test_an_empty_database_is_not_current_until_it_is_upgraded(empty_engine: Engine) -> None:
    assert migrations.current_revision(empty_engine) is None
    assert not migrations.is_current(empty_engine)
    migrations.upgrade(empty_engine, backup_folder=None)
    assert migrations.is_current(empty_engine)
    assert migrations.current_revision(empty_engine) == migrations.head_revision()


def test_asking_makes_no_file(tmp_path: Path) -> None:
    engine = create_engine(f"sqlite:///{tmp_path / 'rybbit.db'}")
    configure_engine(engine)
    assert not migrations.is_current(engine)
    assert list(tmp_path.iterdir()) == []


def test_a_hosts_tables_are_left_alone(empty_engine: Engine) -> None:
    with empty_engine.begin() as connection:
        connection.exec_driver_sql("create table alembic_version (version_num varchar(32))")
        connection.exec_driver_sql("insert into alembic_version values ('host')")
        connection.exec_driver_sql("create table account (id integer)")
    migrations.upgrade(empty_engine, backup_folder=None)
    with empty_engine.connect() as connection:
        assert connection.exec_driver_sql("select version_num from alembic_version").scalar() == "host"
        context = MigrationContext.configure(connection, opts=_options())
        assert compare_metadata(context, Base.metadata) == []
    assert inspect(empty_engine).has_table("account")


def test_of_an_empty_or_current_database_no_copy_is_made(tmp_path: Path, sqlite_engine: Engine) -> None:
    migrations.upgrade(sqlite_engine, backup_folder=tmp_path / "backups")
    fresh = create_engine(f"sqlite:///{tmp_path / 'fresh.db'}")
    migrations.upgrade(fresh, backup_folder=tmp_path / "backups")
    fresh.dispose()
    assert not (tmp_path / "backups").exists()


def test_a_copy_is_kept_before_a_step(tmp_path: Path, sqlite_engine: Engine, add_step: StepMaker) -> None:
    add_step("op.execute('delete from rybbit_key')")
    migrations.upgrade(sqlite_engine, backup_folder=tmp_path / "backups")
    (copy,) = (tmp_path / "backups").iterdir()
    assert copy.name.startswith(f"rybbit-{_HEAD}-")
    assert copy.suffix == ".db"
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    connection = sqlite3.connect(copy)
    assert connection.execute("select id from rybbit_key").fetchall() == [("k",)]
    assert connection.execute("select version_num from rybbit_alembic_version").fetchall() == [(_HEAD,)]
    connection.close()
    with sqlite_engine.connect() as live:
        assert live.exec_driver_sql("select count(*) from rybbit_key").scalar() == 0


def test_a_step_that_fails_leaves_everything_as_it_was(
    tmp_path: Path, sqlite_engine: Engine, add_step: StepMaker
) -> None:
    add_step(
        "op.create_table('rybbit_x', sa.Column('a', sa.Integer()))\n"
        "op.execute('delete from rybbit_key')\n"
        "1 / 0"
    )
    with pytest.raises(ZeroDivisionError):
        migrations.upgrade(sqlite_engine, backup_folder=tmp_path / "backups")
    assert migrations.current_revision(sqlite_engine) == _HEAD
    assert not inspect(sqlite_engine).has_table("rybbit_x")
    with sqlite_engine.connect() as connection:
        assert connection.exec_driver_sql("select id from rybbit_key").scalar() == "k"
    add_step("op.create_table('rybbit_x', sa.Column('a', sa.Integer()))")
    migrations.upgrade(sqlite_engine, backup_folder=None)
    assert migrations.current_revision(sqlite_engine) == _NEXT


def test_altering_a_table_keeps_the_rows_that_refer_to_it(sqlite_engine: Engine, add_step: StepMaker) -> None:
    add_step(
        "with op.batch_alter_table('rybbit_site', recreate='always') as batch:\n"
        "    batch.add_column(sa.Column('extra', sa.Integer()))"
    )
    migrations.upgrade(sqlite_engine, backup_folder=None)
    with sqlite_engine.connect() as connection:
        assert connection.exec_driver_sql("select extra, site_id from rybbit_site").all() == [(None, 1)]
        assert connection.exec_driver_sql("select id from rybbit_key").scalar() == "k"
        assert connection.exec_driver_sql("pragma foreign_keys").scalar() == 1


def test_a_step_that_breaks_a_reference_is_undone(sqlite_engine: Engine, add_step: StepMaker) -> None:
    add_step("op.execute('delete from rybbit_site')")
    with pytest.raises(ConfigurationError, match="rybbit_key"):
        migrations.upgrade(sqlite_engine, backup_folder=None)
    with sqlite_engine.connect() as connection:
        assert connection.exec_driver_sql("select count(*) from rybbit_site").scalar() == 1


def test_the_database_of_a_newer_version_is_refused(tmp_path: Path, empty_engine: Engine) -> None:
    migrations.upgrade(empty_engine, backup_folder=None)
    with empty_engine.begin() as connection:
        connection.exec_driver_sql(f"update {migrations.VERSION_TABLE} set version_num = '9999'")
    assert not migrations.is_current(empty_engine)
    with pytest.raises(ConfigurationError, match=r"9999.*newer version"):
        migrations.upgrade(empty_engine, backup_folder=tmp_path / "backups")
    assert not (tmp_path / "backups").exists()


_UPGRADE = """
import sys
import time
from pathlib import Path
from sqlalchemy import create_engine
from rybbit import migrations
from rybbit.database import configure_engine

engine = create_engine(sys.argv[1])
configure_engine(engine)
print("ready", flush=True)
while not Path(sys.argv[2]).exists():
    time.sleep(0.001)
migrations.upgrade(engine, backup_folder=None)
engine.dispose()
"""


def test_processes_that_upgrade_at_once_wait_for_each_other(tmp_path: Path, empty_engine: Engine) -> None:
    uri = empty_engine.url.render_as_string(hide_password=False)
    signal = tmp_path / "go"
    command = [sys.executable, "-c", _UPGRADE, uri, str(signal)]
    pipe = subprocess.PIPE
    processes = [subprocess.Popen(command, text=True, stdout=pipe, stderr=pipe) for _ in range(5)]
    assert [process.stdout.readline() for process in processes if process.stdout] == ["ready\n"] * 5
    signal.touch()
    assert [process.communicate()[1] for process in processes] == [""] * 5
    assert migrations.is_current(empty_engine)
