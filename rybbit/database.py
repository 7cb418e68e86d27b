"""The engine of the control database: its address, its options, and what every connection is told."""

import contextlib
import os
import sqlite3
import time
import weakref
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError

from rybbit.config import Config
from rybbit.errors import ConfigurationError
from rybbit.locks import register_forkable

_SETTING = "RYBBIT_SQLALCHEMY_DATABASE_URI"
_POSTGRESQL = "postgresql+psycopg"
_SQLITE = "sqlite"
_BUSY_SECONDS = 5.0
_RETRY_SECONDS = 0.05


def database_url(config: Config) -> URL:
    """The address of the control database, a SQLite path made absolute within the instance folder.

    Raises:
        ConfigurationError: it is no address, or that of a database which the server does not know.
    """
    try:
        url = make_url(config.database_uri)
    except ArgumentError as error:
        raise ConfigurationError(f"{_SETTING} is no database address") from error
    if url.drivername in ("postgres", "postgresql", _POSTGRESQL):
        return url.set(drivername=_POSTGRESQL)
    if url.drivername not in (_SQLITE, "sqlite+pysqlite"):
        raise ConfigurationError(f"{_SETTING}: {url.drivername} is not supported; use sqlite or postgresql")
    if not url.database or url.database.startswith((":memory:", "file:")):
        raise ConfigurationError(f"{_SETTING}: SQLite needs a plain file, which all workers can open")
    return url.set(drivername=_SQLITE, database=str(config.instance_path / url.database))


def sqlite_file(url: URL) -> Path | None:
    """The file of a SQLite database; None for PostgreSQL."""
    return Path(str(url.database)) if url.get_backend_name() == "sqlite" else None


def engine_options(url: URL) -> dict[str, Any]:
    """What `create_engine` needs for this address; connections are bounded, and so is waiting for one."""
    options: dict[str, Any] = {"pool_size": 4, "max_overflow": 12, "pool_timeout": _BUSY_SECONDS}
    if sqlite_file(url) is not None:
        # `timeout` is SQLite's busy_timeout: how long a writer waits for another one.
        return options | {"connect_args": {"timeout": _BUSY_SECONDS}}
    return options | {"pool_pre_ping": True, "connect_args": {"connect_timeout": int(_BUSY_SECONDS)}}


def flask_settings(config: Config) -> dict[str, Any]:
    """The settings of Flask-SQLAlchemy, to be put into the app's configuration before `db.init_app`."""
    url = database_url(config)
    return {"SQLALCHEMY_DATABASE_URI": url, "SQLALCHEMY_ENGINE_OPTIONS": engine_options(url)}


def make_engine(config: Config) -> Engine:
    """An engine like the app's, for work without an app."""
    url = database_url(config)
    engine = create_engine(url, **engine_options(url))
    configure_engine(engine)
    return engine


def configure_engine(engine: Engine) -> None:
    """Prepare an engine that has not connected yet: SQLite's ways, and safety in forked children."""
    guard = _ForkGuard(engine)
    # The engine keeps its guard alive; the registry of forkables does not.
    event.listen(engine, "engine_disposed", guard.note_disposal)
    register_forkable(guard)
    _guards.add(guard)
    if sqlite_file(engine.url) is not None:
        event.listen(engine, "do_connect", _make_private_file)
        event.listen(engine, "connect", _prepare_sqlite)


class _ForkGuard:
    """Keeps a child from using, or SQLite from remembering, the connections of its parent."""

    def __init__(self, engine: Engine) -> None:
        self._engine = weakref.ref(engine)

    def note_disposal(self, engine: Engine) -> None:
        """Do nothing: listening is what ties this object's life to the engine's."""

    def close_idle(self) -> None:
        """Close what is open before a fork: SQLite's locks do not pass to a child, but it believes so."""
        engine = self._engine()
        if engine is not None and sqlite_file(engine.url) is not None:
            engine.dispose()

    def reset_after_fork(self) -> None:
        """Forget the parent's connections without saying good-bye on its sockets."""
        engine = self._engine()
        if engine is not None:
            engine.dispose(close=False)


_guards: "weakref.WeakSet[_ForkGuard]" = weakref.WeakSet()


def _close_all_idle() -> None:
    for guard in list(_guards):
        guard.close_idle()


os.register_at_fork(before=_close_all_idle)


def make_private_file(path: Path) -> None:
    """Make an empty file that only its owner can read, unless it exists.

    SQLite gives its side files the permissions of the database.
    """
    with contextlib.suppress(FileExistsError):
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))


def _make_private_file(dialect: Any, record: Any, arguments: list[Any], options: dict[str, Any]) -> None:
    make_private_file(Path(arguments[0]))


def _prepare_sqlite(connection: sqlite3.Connection, record: Any) -> None:
    _use_write_ahead_log(connection)
    # FULL: a site that was just made must outlive a power cut, since events that were acknowledged
    # for it do. NORMAL would sync the log at checkpoints only.
    connection.execute("pragma synchronous = full")
    connection.execute("pragma foreign_keys = on")


def _use_write_ahead_log(connection: sqlite3.Connection) -> None:
    """Switch to WAL. SQLite does not wait for others here as it does elsewhere, so this does."""
    give_up = time.monotonic() + _BUSY_SECONDS
    while True:
        try:
            connection.execute("pragma journal_mode = wal").fetchone()
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > give_up:
                raise
            time.sleep(_RETRY_SECONDS)
        else:
            return
