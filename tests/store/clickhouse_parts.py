"""ClickHouse for tests: in the process of the test, on a small server around chDB, or on a real one."""

import atexit
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit
from urllib.request import Request, urlopen

from rybbit.errors import Unavailable
from rybbit.runtime import Runtime
from rybbit.store.base import EventStore
from rybbit.store.clickhouse import ClickHouseOptions, ClickHouseStore
from tests.store.clickhouse_http import PASSWORD, USER
from tests.store.parts import REPOSITORY, Parts, make_parts

REAL_SERVER = os.environ.get("RYBBIT_TEST_CLICKHOUSE_URL", "")


class SmallServer:
    """The server around chDB as a process, which can be stopped and started again on its data.

    It stands in front of the real server if there is one.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.port = 0
        self.start()

    def start(self) -> None:
        """Start it, on the port that it had."""
        real = [REAL_SERVER] if REAL_SERVER else []
        arguments = [str(self._folder), str(self.port), *real]
        command = [sys.executable, "-m", "tests.store.clickhouse_http", *arguments]
        self._process = subprocess.Popen(
            command, cwd=REPOSITORY, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self._process.stdout is not None
        self.port = int(self._process.stdout.readline())

    def stop(self) -> None:
        """Kill it."""
        self._process.kill()
        self._process.communicate()

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """It takes connections, and answers nobody before the context ends."""
        self._process.send_signal(signal.SIGSTOP)
        os.waitpid(self._process.pid, os.WUNTRACED)
        try:
            yield
        finally:
            self._process.send_signal(signal.SIGCONT)

    def url(self, folder: Path) -> str:
        """The address of the database that belongs to a folder."""
        user, password = quote(USER), quote(PASSWORD, safe="")
        options = f"?{urlsplit(REAL_SERVER).query}" if REAL_SERVER else ""
        return f"clickhouse://{user}:{password}@127.0.0.1:{self.port}/{_database(folder)}{options}"

    def set_faults(self, *faults: dict[str, Any]) -> None:
        """Have statements go wrong, see `clickhouse_http.Fault`; none to have all go well again."""
        self._post("/faults", list(faults))

    def statements(self) -> list[str]:
        """Every statement that it was sent."""
        found: list[str] = json.loads(self._post("/statements", None))
        return found

    def _post(self, path: str, value: object) -> bytes:
        request = Request(f"http://127.0.0.1:{self.port}{path}", json.dumps(value).encode())
        with urlopen(request, timeout=10) as answer:
            return bytes(answer.read())


def _database(folder: Path) -> str:
    # By the folder, so that several processes on one folder share it.
    return f"rybbit_test_{hashlib.sha256(str(folder).encode()).hexdigest()[:16]}"


@cache
def _engine_folder() -> str:
    """Where the engine of this process lies, which can have but one place."""
    folder = tempfile.mkdtemp(prefix="rybbit-chdb-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def clickhouse_url(folder: Path) -> str:
    """The address of a database that belongs to a folder: on the real server if there is one."""
    if REAL_SERVER:
        return urlsplit(REAL_SERVER)._replace(path=f"/{_database(folder)}").geturl()
    return f"chdb://{_engine_folder()}?database={_database(folder)}"


def clickhouse_store(folder: Path, url: str = "") -> ClickHouseStore:
    """A store on a folder, and on the database that belongs to it unless the address names one."""
    return ClickHouseStore(
        ClickHouseOptions(
            url=url or clickhouse_url(folder),
            folder=folder / "clickhouse",
            journal=folder / "journal",
            tombstones=folder / "tombstones",
            memory="256MB",
        )
    )


def make_clickhouse_parts(folder: Path, *, url: str = "", **settings: Any) -> Parts:
    """The parts of a process whose events go into ClickHouse."""
    return make_parts(folder, store=clickhouse_store(folder, url), **settings)


def clickhouse_of(parts: Parts | Runtime) -> ClickHouseStore:
    """The store, which is ClickHouse."""
    assert isinstance(parts.store, ClickHouseStore)
    return parts.store


def drop_database(store: EventStore) -> None:
    """Remove what a test left on the server, if the store is one."""
    if not isinstance(store, ClickHouseStore):
        return
    # Where the server is gone, so is the database.
    with suppress(Unavailable):
        store._server.run(f"drop database if exists {store._address.database} sync")


def compact(parts: Parts) -> None:
    """Have the store write what it has anew, sorted and in as few files as it may be."""
    parts.store.rewrite(everything=True)
    if isinstance(parts.store, ClickHouseStore):
        # Which does so when it likes.
        tables = parts.store._tables
        parts.store._server.run(f"optimize table {tables.stored}{tables.on_cluster} final")


def stored(parts: Parts | Runtime, what: str = "count(*)", rest: str = "") -> list[tuple[Any, ...]]:
    """What is in the table itself, in order of the first column."""
    store = clickhouse_of(parts)
    return store._server.rows(f"select {what} from {store._tables.events} {rest} order by 1")
