"""What reached a site and was not kept: the last thousand of each site, for an hour, over all workers.

A SQLite file under a lock of our own. It is opened for each use, so that no connection outlives a fork, and
never synced: a killed process leaves it whole, and after a start of the machine (another boot id) it is
begun anew. Freed places are overwritten with zeros, and the file shrinks.

Bounded in every direction: 1,000 entries a site, 64 MiB in all. Within a site, reasons share the room fairly,
so that a flood of bots does not push out the one refused event that somebody looks for; when the file is
full, the sites with the most entries lose theirs first. Entries go half a minute before the hour is over:
within that half minute every worker sweeps, so that nothing is on disk after an hour while any worker runs.

Nothing here is worth a failed event: what cannot be written is not recorded.
"""

import logging
import os
import sqlite3
import weakref
import zlib
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from rybbit import clock
from rybbit.errors import Unavailable
from rybbit.locks import FileLock

logger = logging.getLogger(__name__)

SHOWN_MS = 3_570_000
MOST = 1_000

_DAMAGED = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
_VERSION = 1
_PAGE_BYTES = 4096
_MOST_PAGES = 64 * 1024 * 1024 // _PAGE_BYTES
# Above this, entries go before others come: one flush of a worker brings less than the rest.
_FULL = 0.7
_FUTURE_MS = 60_000
_FOREVER_MS = 2**62
# So that ids grow even after the file was begun anew: milliseconds, and a number within them.
_ID_BITS = 16

_SCHEMA = """
create table entry (
  id integer primary key, site_id integer not null, received_ms integer not null, reason text not null,
  visitor integer, earlier integer, data text not null
);
create index entry_site on entry (site_id, id);
create index entry_received on entry (received_ms);
create table erased (
  site_id integer not null, visitor integer, until_ms integer not null, created_ms integer not null
);
"""
_INSERT = "insert into entry values (?, ?, ?, ?, ?, ?, ?)"
_READ = """
select id, data from entry where site_id = ? and id > ? and received_ms >= ? order by id desc limit ?
"""
# The newest of each reason first, then the second of each, and so on.
_TRIM_SITE = """
delete from entry where id in (
  select id from (
    select id, row_number() over (order by nth, id desc) as place from (
      select id, row_number() over (partition by reason order by id desc) as nth
      from entry where site_id = :site_id
    )
  ) where place > :most
)
"""
_TRIM_ALL = """
delete from entry where id in (
  select id from (
    select id, row_number() over (partition by site_id order by id desc) as place from entry
  ) where place > ?
)
"""
_TRIM_OLDEST = """
delete from entry where id in (select id from entry order by id limit (select count(*) / 2 + 1 from entry))
"""
_HOLDS_ANY = "select exists (select 1 from entry) or exists (select 1 from erased)"
_ERASE = """
delete from entry where id >= ? and exists (
  select 1 from erased where erased.site_id = entry.site_id and entry.received_ms <= erased.until_ms
  and (erased.visitor is null or erased.visitor in (entry.visitor, entry.earlier))
)
"""

_all_files: "weakref.WeakSet[UnkeptFile]" = weakref.WeakSet()
_held: "list[FileLock]" = []


def _hold_all() -> None:
    """Before a fork: wait until no thread is inside SQLite, whose own locks a child would find taken."""
    locks = {file.lock.path: file.lock for file in list(_all_files)}
    for lock in locks.values():
        lock.acquire()
        _held.append(lock)


def _go_on_all() -> None:
    while _held:
        _held.pop().release()


os.register_at_fork(before=_hold_all, after_in_parent=_go_on_all, after_in_child=_held.clear)


@dataclass(frozen=True, slots=True)
class Unkept:
    """One event that was not kept; `data` is what is shown of it, as JSON.

    `visitor` and `earlier` are the visitor's numbers under today's and yesterday's salt, so that the entry
    can be erased with the visitor.
    """

    site_id: int
    received_ms: int
    reason: str
    visitor: int | None
    earlier: int | None
    data: str


class UnkeptFile:
    """The file of one instance; safe for any number of threads and processes."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.lock = FileLock(path.with_suffix(".lock"))
        _all_files.add(self)

    def write(self, entries: Sequence[Unkept]) -> None:
        """Add entries, and take those out that are too many.

        Raises:
            Unavailable: it cannot be written, and none of these was recorded.
        """
        try:
            with self._opened() as database:
                _make_room(database)
                first = _next_id(database)
                database.executemany(
                    _INSERT,
                    (
                        (first + n, e.site_id, e.received_ms, e.reason, e.visitor, e.earlier, e.data)
                        for n, e in enumerate(entries)
                    ),
                )
                database.execute(_ERASE, (first,))
                for site_id in {entry.site_id for entry in entries}:
                    database.execute(_TRIM_SITE, {"site_id": site_id, "most": MOST})
        except (sqlite3.Error, OSError) as error:
            raise Unavailable(f"Refused events cannot be shown: {error}") from error

    def read(self, site_id: int, *, after: int = 0, limit: int = MOST) -> list[tuple[int, str]]:
        """The newest entries of a site with ids above `after`, the newest first: id and data.

        Answers none where the file cannot be read, which is logged.
        """
        since = clock.now_ms() - SHOWN_MS
        try:
            if not self.path.exists():
                return []
            with self._opened() as database:
                rows: list[tuple[int, str]] = database.execute(
                    _READ, (site_id, after, since, limit)
                ).fetchall()
                return rows
        except (sqlite3.Error, OSError):
            logger.exception("Refused events cannot be read")
            return []

    def forget_site(self, site_id: int) -> None:
        """Remove all entries of a site, also those that other workers have yet to write."""
        self._forget(site_id, None, _FOREVER_MS)

    def forget_visitor(self, site_id: int, user_hash: int, *, name: str = "") -> None:
        """Remove the entries of a visitor up to now, also those that other workers have yet to write."""
        self._forget(site_id, user_hash, clock.now_ms())

    def _forget(self, site_id: int, visitor: int | None, until_ms: int) -> None:
        with self._or_nothing("erased"), self._opened() as database:
            database.execute(
                "insert into erased values (?, ?, ?, ?)", (site_id, visitor, until_ms, clock.now_ms())
            )
            database.execute(_ERASE, (0,))

    def sweep(self) -> None:
        """Remove from disk what is too old; the file itself if nothing is left."""
        if not self.path.exists():
            return
        now_ms = clock.now_ms()
        oldest = now_ms - SHOWN_MS
        with self._or_nothing("removed"):
            with self._opened() as database:
                # A clock that was set back would keep what it says is from the future.
                database.execute(
                    "delete from entry where received_ms < ? or received_ms > ?",
                    (oldest, now_ms + _FUTURE_MS),
                )
                database.execute("delete from erased where created_ms < ?", (oldest,))
            with self.lock, closing(self._connect()) as database:
                if _value(database, _HOLDS_ANY):
                    # As a script, since it is over only after a step for each page.
                    database.executescript("pragma incremental_vacuum")
                else:
                    self._remove()

    @contextmanager
    def _or_nothing(self, verb: str) -> Iterator[None]:
        """Where entries must go and cannot (on a full disk, even that needs room), let all of them go."""
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            logger.warning("Refused events cannot be %s one by one, so all are: %s", verb, error)
            try:
                with self.lock:
                    self._remove()
            except OSError:
                # It must not keep a site from being deleted, nor a server from its start.
                logger.exception("The file of refused events cannot be removed")

    def _remove(self) -> None:
        for suffix in ("", "-journal"):
            Path(f"{self.path}{suffix}").unlink(missing_ok=True)

    @contextmanager
    def _opened(self) -> Iterator[sqlite3.Connection]:
        """A transaction under the lock; a file of another boot or a damaged one is begun anew."""
        with self.lock:
            try:
                with closing(self._connect()) as database:
                    database.execute("begin")
                    yield database
                    database.execute("commit")
            except sqlite3.DatabaseError as error:
                if getattr(error, "sqlite_errorcode", 0) & 0xFF in _DAMAGED:
                    logger.warning("The file of refused events is damaged; it is begun anew")
                    self._remove()
                raise

    def _connect(self) -> sqlite3.Connection:
        database = self._open()
        try:
            _configure(database)
            if _value(database, "pragma application_id") != _mark():
                database.close()
                self._remove()
                database = self._open()
                _configure(database)
                self._lay_out(database)
        except BaseException:
            database.close()
            raise
        return database

    def _open(self) -> sqlite3.Connection:
        # Our own lock stands in for SQLite's, which a fork would confuse.
        uri = f"{self.path.absolute().as_uri()}?vfs=unix-none"
        return sqlite3.connect(uri, uri=True, isolation_level=None)

    def _lay_out(self, database: sqlite3.Connection) -> None:
        self.path.chmod(0o600)
        database.execute("pragma auto_vacuum = incremental")
        database.executescript(f"begin; {_SCHEMA} pragma application_id = {_mark()}; commit;")


def _configure(database: sqlite3.Connection) -> None:
    for pragma in ("synchronous = off", "secure_delete = on", f"max_page_count = {_MOST_PAGES}"):
        database.execute(f"pragma {pragma}")


def _mark() -> int:
    """A number that no other boot and no other layout has."""
    return zlib.crc32(f"{_VERSION} {clock.boot_id()}".encode()) >> 1 or 1


def _next_id(database: sqlite3.Connection) -> int:
    last = _value(database, "select coalesce(max(id), 0) from entry")
    return max(last + 1, clock.now_ms() << _ID_BITS)


def _make_room(database: sqlite3.Connection) -> None:
    most = MOST
    while most > 1 and _is_full(database):
        most //= 2
        database.execute(_TRIM_ALL, (most,))
    if _is_full(database):
        database.execute(_TRIM_OLDEST)


def _is_full(database: sqlite3.Connection) -> bool:
    used = _value(database, "pragma page_count") - _value(database, "pragma freelist_count")
    return used > _MOST_PAGES * _FULL


def _value(database: sqlite3.Connection, sql: str) -> int:
    return int(database.execute(sql).fetchone()[0])
