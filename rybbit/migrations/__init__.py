"""The schema of the control database, brought up to date by code.

`versions/` holds one file a step, `vNUMBER_what.py`; the number is the step's name. The tables and the
version table are named `rybbit_…`, so that they can live in the database of a host app, whose own
tables are never looked at.
"""

import contextlib
import os
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Engine, column, inspect, select, table, text

from rybbit import clock
from rybbit.database import make_private_file, sqlite_file
from rybbit.errors import ConfigurationError
from rybbit.locks import FileLock

if TYPE_CHECKING:
    from alembic.config import Config as AlembicConfig

VERSION_TABLE = "rybbit_alembic_version"
SCRIPTS = Path(__file__).parent
_PREFIX = "rybbit_"
# Any number will do, as long as nobody else in the database locks the same one.
_ADVISORY_LOCK = 7_292_248_106_521_011
# Alembic keeps its context in module globals, so two threads must not migrate at once.
_one_thread = threading.Lock()


def upgrade(engine: Engine, *, backup_folder: Path | None) -> None:
    """Bring the schema up to date, in one transaction; all of it or nothing happens.

    Of a SQLite file that holds data, a copy is kept in `backup_folder` first (None: no copy).
    Processes that upgrade at once wait for each other.

    Raises:
        ConfigurationError: the database was made by a newer version of this program.
    """
    if is_current(engine):
        return
    with _one_thread, _exclusive(engine):
        # Somebody else may have done it while this process waited.
        found = current_revision(engine)
        if found == head_revision():
            return
        _refuse_unknown(found)
        is_file = sqlite_file(engine.url) is not None
        if is_file and found is not None and backup_folder is not None:
            _back_up(engine, backup_folder / f"rybbit-{found}-{clock.now():%Y%m%dT%H%M%S%f}.db")
        _run_steps(engine)


def is_current(engine: Engine) -> bool:
    """Whether the schema is the one that this code expects; makes no database where there is none."""
    return current_revision(engine) == head_revision()


def current_revision(engine: Engine) -> str | None:
    """The step that the database is at; None if it has none of our tables or does not exist."""
    file = sqlite_file(engine.url)
    if file is not None and not file.exists():
        return None
    with engine.connect() as connection:
        if not inspect(connection).has_table(VERSION_TABLE):
            return None
        return connection.scalar(select(column("version_num")).select_from(table(VERSION_TABLE)))


def head_revision() -> str:
    """The last step that this code knows."""
    return _steps()[-1]


def is_ours(name: str | None, kind: str, parents: Any) -> bool:
    """Whether alembic may look at something of this name: only our tables are ours."""
    return kind != "table" or (name is not None and name.startswith(_PREFIX))


def _refuse_unknown(revision: str | None) -> None:
    if revision is not None and revision not in _steps():
        raise ConfigurationError(
            f"The database is at step {revision}, which this version does not know: a newer version made it."
        )


def _steps() -> list[str]:
    # Read from the names of the files: alembic takes a fifth of a second to import, at every start.
    steps = sorted(file.name[1:].partition("_")[0] for file in (SCRIPTS / "versions").glob("v[0-9]*_*.py"))
    if not steps:
        raise ConfigurationError(f"The package is incomplete: {SCRIPTS / 'versions'} holds no migrations.")
    return steps


def _run_steps(engine: Engine) -> None:
    from alembic import command

    with _migration(engine) as connection:
        command.upgrade(_alembic_config(connection), "head")


def _alembic_config(connection: Connection) -> "AlembicConfig":
    from alembic.config import Config as AlembicConfig

    config = AlembicConfig()
    # A percent sign would begin a reference to another option.
    config.set_main_option("script_location", str(SCRIPTS).replace("%", "%%"))
    config.attributes["connection"] = connection
    return config


@contextlib.contextmanager
def _exclusive(engine: Engine) -> Iterator[None]:
    """Keep other processes from migrating the same database."""
    file = sqlite_file(engine.url)
    if file is not None:
        lock = FileLock(file.with_name(f"{file.name}.migrate.lock"))
        with contextlib.closing(lock), lock:
            yield
        return
    with engine.connect() as connection:
        number = {"number": _ADVISORY_LOCK}
        connection.execute(text("select pg_advisory_lock(:number)"), number)
        try:
            yield
        finally:
            connection.execute(text("select pg_advisory_unlock(:number)"), number)


@contextlib.contextmanager
def _migration(engine: Engine) -> Iterator[Connection]:
    """A connection in one transaction that is committed at the end."""
    if sqlite_file(engine.url) is None:
        with engine.begin() as connection:
            yield connection
        return
    with engine.connect() as connection:
        # Not given back to the pool, since it is without foreign keys: SQLite alters a table by
        # dropping the old one, which would take every row that refers to it along.
        connection.detach()
        connection.exec_driver_sql("pragma foreign_keys = off")
        # The driver begins no transaction before DDL, so a kill would leave half a schema.
        connection.exec_driver_sql("begin immediate")
        yield connection
        _check_foreign_keys(connection)
        connection.commit()


def _check_foreign_keys(connection: Connection) -> None:
    broken = connection.exec_driver_sql("pragma foreign_key_check").first()
    if broken is not None:
        raise ConfigurationError(f"A row of {broken[0]} refers to one of {broken[2]} that does not exist.")


def _back_up(engine: Engine, target: Path) -> None:
    """Copy a SQLite database as it is now, its log included; the copy appears whole or not at all."""
    target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    temporary = target.with_suffix(".new")
    make_private_file(temporary)
    source = sqlite3.connect(str(engine.url.database))
    copy = sqlite3.connect(temporary)
    with contextlib.closing(source), contextlib.closing(copy):
        source.backup(copy)
        # One file that can be moved about, without a log beside it.
        copy.execute("pragma journal_mode = delete")
    with temporary.open("rb") as file:
        os.fsync(file.fileno())
    temporary.rename(target)
