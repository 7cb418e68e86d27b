"""What every test shares: a clean environment, an instance folder of its own, an app, a database."""

import os
import secrets
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from argon2 import PasswordHasher
from flask import Flask
from sqlalchemy import Engine, create_engine, inspect, make_url
from sqlalchemy.orm import Session, scoped_session

from rybbit import migrations, security
from rybbit.database import configure_engine
from rybbit.extensions import db
from rybbit.factory import create_app

POSTGRES = os.environ.get("RYBBIT_TEST_POSTGRES_URL", "")
DATABASES = ["sqlite", "postgresql"] if POSTGRES else ["sqlite"]

AppMaker = Callable[..., Flask]


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith("RYBBIT_") and not name.startswith("RYBBIT_TEST_"):
            monkeypatch.delenv(name)


@pytest.fixture(autouse=True)
def _quick_passwords(monkeypatch: pytest.MonkeyPatch) -> None:
    """The real function with its smallest costs: a hash takes microseconds instead of 50 ms."""
    monkeypatch.setattr(
        security, "password_hasher", PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
    )


@pytest.fixture
def instance(tmp_path: Path) -> Path:
    """Where the test's instance lies; nothing is there yet."""
    return tmp_path / "instance"


@pytest.fixture(scope="session")
def migrated_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQLite database with all tables and no rows, to be copied."""
    file = tmp_path_factory.mktemp("migrated") / "rybbit.db"
    _migrate(create_engine(f"sqlite:///{file}"))
    return file


@pytest.fixture(scope="session")
def postgres_server() -> str:
    """The address of a PostgreSQL server on which databases may be made."""
    if not POSTGRES:
        pytest.skip("RYBBIT_TEST_POSTGRES_URL is not set")
    address = make_url(POSTGRES).set(drivername="postgresql+psycopg")
    return address.render_as_string(hide_password=False)


@pytest.fixture(scope="session")
def new_postgres_database(postgres_server: str) -> Iterator[Callable[[], str]]:
    """Makes empty databases, and removes them at the end."""
    server = create_engine(postgres_server, isolation_level="AUTOCOMMIT")
    names: list[str] = []

    def make() -> str:
        names.append(f"rybbit_test_{secrets.token_hex(6)}")
        with server.connect() as connection:
            connection.exec_driver_sql(f"create database {names[-1]}")
        return make_url(postgres_server).set(database=names[-1]).render_as_string(hide_password=False)

    yield make
    with server.connect() as connection:
        for name in names:
            connection.exec_driver_sql(f"drop database {name} with (force)")
    server.dispose()


@pytest.fixture(scope="session")
def migrated_postgres(new_postgres_database: Callable[[], str]) -> str:
    """The address of a PostgreSQL database with all tables."""
    uri = new_postgres_database()
    _migrate(create_engine(uri))
    return uri


@pytest.fixture(params=DATABASES)
def database_uri(request: pytest.FixtureRequest, instance: Path) -> Iterator[str]:
    """The address of a database of the test's own, with all tables and no rows, on each kind of server."""
    if request.param == "sqlite":
        instance.mkdir(mode=0o700)
        shutil.copy(request.getfixturevalue("migrated_file"), instance / "rybbit.db")
        yield f"sqlite:///{instance / 'rybbit.db'}"
        return
    uri = request.getfixturevalue("migrated_postgres")
    yield uri
    empty_database(uri)


@pytest.fixture
def make_app(instance: Path, database_uri: str) -> Iterator[AppMaker]:
    """Makes apps on the test's instance folder, with settings by their outside names."""
    apps: list[Flask] = []

    def make(**settings: Any) -> Flask:
        places = {"RYBBIT_INSTANCE_PATH": str(instance), "RYBBIT_SQLALCHEMY_DATABASE_URI": database_uri}
        app = create_app(places | settings)
        app.testing = True
        apps.append(app)
        return app

    yield make
    for app in apps:
        app.extensions["rybbit"].stop()
        with app.app_context():
            db.session.remove()
            db.engine.dispose()


@pytest.fixture
def app(make_app: AppMaker) -> Flask:
    """The app with default settings."""
    return make_app()


@pytest.fixture
def session(app: Flask) -> Iterator[scoped_session[Any]]:
    """The app's database session, inside the app's context; what is not committed is rolled back."""
    with app.app_context():
        yield db.session
        db.session.rollback()


@pytest.fixture
def engine(app: Flask) -> Engine:
    """The engine of the app's database."""
    with app.app_context():
        return db.engine


@pytest.fixture
def other_session(engine: Engine) -> Iterator[Session]:
    """A second session on the app's database, as another process would have it."""
    with Session(engine) as session:
        yield session


def _migrate(engine: Engine) -> None:
    configure_engine(engine)
    migrations.upgrade(engine, backup_folder=None)
    engine.dispose()


def empty_database(uri: str) -> None:
    """Take every row out of a PostgreSQL database, and begin its numbers anew."""
    engine = create_engine(uri)
    tables = [name for name in inspect(engine).get_table_names() if name != migrations.VERSION_TABLE]
    with engine.begin() as connection:
        connection.exec_driver_sql(f"truncate {', '.join(tables)} restart identity cascade")
    engine.dispose()
