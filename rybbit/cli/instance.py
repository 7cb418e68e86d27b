"""The instance a command works on: named on standard error, opened, never made by accident."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from rybbit.errors import ConfigurationError

if TYPE_CHECKING:
    from flask import Flask

    from rybbit.config import Config

LOCAL_ADDRESS = "http://127.0.0.1:8000"
"""Where `rybbit serve` listens unless it is told otherwise."""

_OUTDATED = "The database is not of this version; bring it up to date with `rybbit db upgrade`."


def read_settings() -> "Config":
    """Read the settings, and say which instance folder they name."""
    from rybbit.config import load_config

    config = load_config()
    click.echo(f"Instance folder: {config.instance_path}", err=True)
    return config


def has_instance(config: "Config") -> bool:
    """Whether there is an instance: the file of its database, or its folder if that is PostgreSQL."""
    from rybbit.database import database_url, sqlite_file

    file = sqlite_file(database_url(config))
    return config.instance_path.is_dir() if file is None else file.is_file()


def require_instance(config: "Config") -> None:
    """Refuse to work where there is no instance.

    Raises:
        ConfigurationError: saying how to make one.
    """
    if not has_instance(config):
        raise ConfigurationError(
            f"There is no instance in {config.instance_path}. "
            "Make one with `rybbit init --email YOU@EXAMPLE.COM --domain EXAMPLE.COM`, "
            "or name the folder of yours in RYBBIT_INSTANCE_PATH."
        )


@contextmanager
def open_app(*, migrate: bool) -> Iterator["Flask"]:
    """An app in its context; commits at the end. Makes the instance folder, and migrates if told so."""
    from rybbit.extensions import db
    from rybbit.factory import create_app

    app = create_app(migrate=migrate)
    with app.app_context():
        try:
            yield app
            db.session.commit()
        finally:
            db.session.remove()
            db.engine.dispose()


@contextmanager
def open_instance() -> Iterator["Flask"]:
    """The app of the instance there is, its database up to date; commits at the end.

    Raises:
        ConfigurationError: there is no instance, or its database is of another version.
    """
    with open_instance_with_settings() as (app, _):
        yield app


@contextmanager
def open_instance_with_settings() -> Iterator[tuple["Flask", "Config"]]:
    """As `open_instance`, with the settings."""
    config = read_settings()
    require_instance(config)
    with open_app(migrate=False) as app:
        from rybbit.extensions import db
        from rybbit.migrations import is_current

        if not is_current(db.engine):
            raise ConfigurationError(_OUTDATED)
        yield app, config
