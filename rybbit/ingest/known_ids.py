"""The event ids that were stored within a day, in a SQLite file that is never synced.

It survives the death of a process. After the death of the machine (another boot id), or when it is damaged,
it is made anew from the events.
"""

import json
import logging
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from rybbit import clock
from rybbit.locks import leave_to_parent
from rybbit.store.event import first_id_at

logger = logging.getLogger(__name__)

WINDOW_MS = 24 * 60 * 60 * 1000

Known = tuple[int, str, int]
"""site_id, event_id, and the id that the event was given."""

_SCHEMA = """
create table if not exists state (name text primary key, value);
create table if not exists known_event (
  site_id integer not null,
  event_id text not null,
  id integer not null,
  primary key (site_id, event_id)
) without rowid;
create index if not exists known_event_by_id on known_event (id);
"""

_AMONG = """
select site_id, event_id from known_event
where (site_id, event_id) in (select value ->> 0, value ->> 1 from json_each(?)) and id >= ?
"""

_REMEMBER = "insert or replace into known_event (site_id, event_id, id) values (?, ?, ?)"

_DAMAGED = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


class KnownIds:
    """The file of known ids; every method is to be called under the lock over all workers."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._connection: sqlite3.Connection | None = None
        self._inode = 0

    def is_ready(self) -> bool:
        """Whether the file is whole and of this boot; if not, `fill` it."""
        if self._connection is not None and not self._is_replaced():
            return True
        self.let_go()
        try:
            with closing(self._open()) as connection:
                row = connection.execute("select value from state where name = 'boot_id'").fetchone()
        except sqlite3.DatabaseError as error:
            if not _is_damage(error):
                raise
            logger.warning("%s is damaged; it is made anew from the events", self._path)
            return False
        if row is None or row[0] != clock.boot_id():
            return False
        self._connection = self._open()
        return True

    def fill(self, rows: Iterable[Known]) -> None:
        """Make the file anew with these ids."""
        self.let_go()
        self._remove_file()
        connection = self._open()
        with _transaction(connection):
            connection.executemany(_REMEMBER, rows)
            connection.execute("insert into state (name, value) values ('boot_id', ?)", (clock.boot_id(),))
        self._connection = connection

    def among(self, names: Sequence[tuple[int, str]], *, now_ms: int) -> set[tuple[int, str]]:
        """Those of the (site_id, event_id) that are known."""
        with self._guarded() as connection:
            return set(connection.execute(_AMONG, (json.dumps(names), first_id_at(now_ms - WINDOW_MS))))

    def remember(self, rows: Iterable[Known]) -> None:
        """Record ids whose events are on disk."""
        with self._guarded() as connection, _transaction(connection):
            connection.executemany(_REMEMBER, rows)

    def forget_old(self, *, now_ms: int) -> None:
        """Remove the ids that are older than a day."""
        with self._guarded() as connection, _transaction(connection):
            connection.execute("delete from known_event where id < ?", (first_id_at(now_ms - WINDOW_MS),))

    def forget_site(self, site_id: int) -> None:
        """Remove the ids of a site, from the disk too."""
        with self._guarded() as connection:
            with _transaction(connection):
                connection.execute("delete from known_event where site_id = ?", (site_id,))
            connection.execute("pragma wal_checkpoint(truncate)")

    def forget(self, rows: Iterable[Known]) -> None:
        """Remove ids, from the disk too."""
        with self._guarded() as connection:
            with _transaction(connection):
                connection.executemany(
                    "delete from known_event where site_id = ? and event_id = ? and id = ?", rows
                )
            connection.execute("pragma wal_checkpoint(truncate)")

    def close(self) -> None:
        """Close the file; `is_ready` opens it again."""
        if self._connection is not None and self._is_replaced():
            self.let_go()
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def let_go(self) -> None:
        """Forget the open file without closing it: that would touch what others have open by its name."""
        if self._connection is not None:
            leave_to_parent(self._connection)
            self._connection = None

    @contextmanager
    def _guarded(self) -> Iterator[sqlite3.Connection]:
        """The open file; one that proves damaged is put away, so that `is_ready` says no."""
        if self._connection is None:
            raise RuntimeError("is_ready and fill come first")
        try:
            yield self._connection
        except sqlite3.DatabaseError as error:
            if _is_damage(error):
                logger.error("%s is damaged, and will be made anew from the events", self._path)
                self.let_go()
                self._remove_file()
            raise

    def _is_replaced(self) -> bool:
        try:
            return self._path.stat().st_ino != self._inode
        except FileNotFoundError:
            return True

    def _open(self) -> sqlite3.Connection:
        self._path.touch(mode=0o600)
        self._inode = self._path.stat().st_ino
        connection = sqlite3.connect(self._path, isolation_level=None, check_same_thread=False, timeout=5)
        connection.execute("pragma journal_mode = wal")
        connection.execute("pragma synchronous = off")
        connection.execute("pragma secure_delete = on")
        connection.executescript(_SCHEMA)
        return connection

    def _remove_file(self) -> None:
        for suffix in ("", "-wal", "-shm"):
            self._path.with_name(self._path.name + suffix).unlink(missing_ok=True)


@contextmanager
def _transaction(connection: sqlite3.Connection) -> Iterator[None]:
    connection.execute("begin immediate")
    try:
        yield
        connection.execute("commit")
    except BaseException:
        # After some errors SQLite has rolled back by itself.
        if connection.in_transaction:
            connection.execute("rollback")
        raise


def _is_damage(error: sqlite3.DatabaseError) -> bool:
    # What Python itself raises has no code; the low byte of a code is its kind.
    code: Any = getattr(error, "sqlite_errorcode", 0)
    return code & 0xFF in _DAMAGED
