"""The engine: addresses, files, what SQLite is told, threads and forks."""

import os
import sqlite3
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from sqlalchemy import Engine

from rybbit.config import Config
from rybbit.database import database_url, engine_options, make_engine, sqlite_file
from rybbit.errors import ConfigurationError


def _config(folder: Path, uri: str = "") -> Config:
    return Config(instance_path=folder, sqlalchemy_database_uri=uri)


@pytest.mark.parametrize(
    ("uri", "expected"),
    [
        ("postgres://u:p@h/d", "postgresql+psycopg://u:p@h/d"),
        ("postgresql://u:p@h/d", "postgresql+psycopg://u:p@h/d"),
        ("postgresql+psycopg://u:p@h/d?sslmode=require", "postgresql+psycopg://u:p@h/d?sslmode=require"),
        ("sqlite:////data/x.db", "sqlite:////data/x.db"),
        ("sqlite:///x.db", "sqlite:////inst/x.db"),
        ("", "sqlite:////inst/rybbit.db"),
    ],
)
def test_the_address_of_the_database(uri: str, expected: str) -> None:
    url = database_url(_config(Path("/inst"), uri))
    assert url.render_as_string(hide_password=False) == expected


@pytest.mark.parametrize(
    "uri", ["no address", "mysql://h/d", "sqlite://", "sqlite:///:memory:", "sqlite:///file:x?uri=true"]
)
def test_an_address_that_cannot_work_is_refused_by_the_settings_name(uri: str) -> None:
    with pytest.raises(ConfigurationError, match="RYBBIT_SQLALCHEMY_DATABASE_URI"):
        database_url(_config(Path("/inst"), uri))


def test_a_password_is_not_in_the_refusal() -> None:
    with pytest.raises(ConfigurationError) as refused:
        database_url(_config(Path("/inst"), "mysql://user:hunter2@h/d"))
    assert "hunter2" not in str(refused.value)


def test_only_sqlite_has_a_file() -> None:
    assert sqlite_file(database_url(_config(Path("/inst")))) == Path("/inst/rybbit.db")
    postgres = database_url(_config(Path("/inst"), "postgresql://h/d"))
    assert sqlite_file(postgres) is None
    assert engine_options(postgres)["pool_pre_ping"]


@pytest.fixture
def sqlite_engine(tmp_path: Path) -> Engine:
    return make_engine(_config(tmp_path))


def test_only_the_owner_can_read_the_files(tmp_path: Path, sqlite_engine: Engine) -> None:
    mask = os.umask(0)
    try:
        with sqlite_engine.begin() as connection:
            connection.exec_driver_sql("create table t (x)")
            modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in tmp_path.iterdir()}
    finally:
        os.umask(mask)
        sqlite_engine.dispose()
    assert modes == {"rybbit.db": 0o600, "rybbit.db-wal": 0o600, "rybbit.db-shm": 0o600}


def test_what_sqlite_is_told(sqlite_engine: Engine) -> None:
    with sqlite_engine.connect() as connection:
        found = {
            name: connection.exec_driver_sql(f"pragma {name}").scalar()
            for name in ("journal_mode", "foreign_keys", "synchronous", "busy_timeout")
        }
    sqlite_engine.dispose()
    assert found == {"journal_mode": "wal", "foreign_keys": 1, "synchronous": 2, "busy_timeout": 5000}


def test_an_engine_makes_no_file_before_it_is_used(tmp_path: Path) -> None:
    make_engine(_config(tmp_path))
    assert list(tmp_path.iterdir()) == []


def test_a_write_waits_for_the_writer_before_it(tmp_path: Path, sqlite_engine: Engine) -> None:
    with sqlite_engine.begin() as connection:
        connection.exec_driver_sql("create table t (x)")
    blocker = sqlite3.connect(tmp_path / "rybbit.db", isolation_level=None, check_same_thread=False)
    blocker.execute("begin immediate")
    timer = threading.Timer(0.3, lambda: blocker.execute("commit"))
    timer.start()
    with sqlite_engine.begin() as connection:
        connection.exec_driver_sql("insert into t values (1)")
        assert connection.exec_driver_sql("select count(*) from t").scalar() == 1
    timer.join()
    blocker.close()
    sqlite_engine.dispose()


_OPEN_AT_ONCE = """
import sys
import time
from pathlib import Path
from rybbit.config import Config
from rybbit.database import make_engine

engine = make_engine(Config(instance_path=Path(sys.argv[1])))
print("ready", flush=True)
while not Path(sys.argv[1], "go").exists():
    time.sleep(0.001)
for _ in range(10):
    with engine.begin() as connection:
        connection.exec_driver_sql("create table if not exists t (x)")
        connection.exec_driver_sql("insert into t values (1)")
    engine.dispose()
"""


def test_processes_that_open_a_new_file_at_once_do_not_fail(tmp_path: Path) -> None:
    command = [sys.executable, "-c", _OPEN_AT_ONCE, str(tmp_path)]
    processes = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    assert [process.stdout.readline() for process in processes if process.stdout] == ["ready\n"] * 4
    (tmp_path / "go").touch()
    for process in processes:
        process.communicate()
    assert [process.returncode for process in processes] == [0] * 4
    with sqlite3.connect(tmp_path / "rybbit.db") as connection:
        assert connection.execute("select count(*) from t").fetchone() == (40,)
    connection.close()


_FORK = """
import os, sys
from pathlib import Path
from rybbit.config import Config
from rybbit.database import make_engine

engine = make_engine(Config(instance_path=Path(sys.argv[1]), sqlalchemy_database_uri=sys.argv[2]))

def query(sql):
    with engine.begin() as connection:
        return connection.exec_driver_sql(sql)

query("create table fork_test (x integer)")
query("insert into fork_test values (1)")
child = os.fork()
if child == 0:
    folder = "/proc/self/fd"
    descriptors = os.listdir(folder) if os.path.isdir(folder) else []
    opened = [os.path.realpath(f"{folder}/{number}") for number in descriptors]
    inherited = [name for name in opened if name.endswith((".db", ".db-wal", ".db-shm"))]
    for number in range(50):
        query("insert into fork_test values (2)")
    os._exit(1 if inherited else 0)
for number in range(50):
    query("insert into fork_test values (3)")
_, status = os.waitpid(child, 0)
with engine.begin() as connection:
    rows = connection.exec_driver_sql("select count(*) from fork_test").scalar()
    connection.exec_driver_sql("drop table fork_test")
engine.dispose()
sys.exit(0 if status == 0 and rows == 101 else 1)
"""


def test_a_forked_child_shares_no_connection_with_its_parent(tmp_path: Path, database_uri: str) -> None:
    result = subprocess.run(
        [sys.executable, "-c", _FORK, str(tmp_path), database_uri],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (result.returncode, result.stderr) == (0, "")
