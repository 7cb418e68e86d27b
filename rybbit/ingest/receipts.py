"""What a batch is given on receipt, in one order over all workers: ids, sessions, known event ids.

The state lies in a SQLite file of its own under one lock. It is never synced: it survives the death of
a process, and after the death of the machine (another boot id) it is made anew from the events.

A batch that carries `event_id`s keeps the lock until it is on disk. Its place in the journal is noted
in the lock file before; who finds a note there knows that the writer died or failed in between, and
records the ids of what did reach the file.
"""

import json
import os
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

from rybbit import clock
from rybbit.ingest import sessions
from rybbit.ingest.sessions import Sessions
from rybbit.locks import FileLock, register_forkable
from rybbit.store.event import first_id_at
from rybbit.store.journal import Entry, Position
from rybbit.store.journal_files import complete_lines

EVENT_ID_WINDOW_MS = 24 * 60 * 60 * 1000

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

_KNOWN = """
select site_id, event_id from known_event
where (site_id, event_id) in (select value ->> 0, value ->> 1 from json_each(?)) and id >= ?
"""

_REMEMBER = "insert or replace into known_event (site_id, event_id, id) values (?, ?, ?)"


class History(Protocol):
    """What the stored events say, for making the state anew."""

    def last_id(self) -> int:
        """The greatest id given so far, 0 if none."""

    def spans_since(self, milliseconds: int) -> Iterable[tuple[int, int, int, int, int]]:
        """Rows of site_id, user_hash, session_id, first, last of sessions with events since then."""

    def event_ids_since(self, first_id: int) -> Iterable[tuple[int, str, int]]:
        """Rows of site_id, event_id, id of the events received since then that carry an event_id."""


class Receipts:
    """The receiver that the journal hands each batch to."""

    def __init__(self, path: Path, journal_folder: Path, history: History) -> None:
        self._path = path
        self._journal_folder = journal_folder
        self._history = history
        self._lock = FileLock(path.with_suffix(".lock"))
        self._connection: sqlite3.Connection | None = None
        register_forkable(self)

    def reset_after_fork(self) -> None:
        """Open the file anew in the child: SQLite's locks do not survive a fork."""
        self._connection = None

    def close(self) -> None:
        """Close the file; the next batch opens it again."""
        with self._lock:
            if self._connection is not None:
                self._connection.close()
                self._connection = None

    @contextmanager
    def receive(self, entries: Sequence[Entry], position: Position) -> Iterator[list[bytes | None]]:
        """See `Receiver.receive`."""
        with self._lock:
            connection = self._opened()
            self._record_interrupted(connection)
            with _transaction(connection):
                openings, remembered = self._register(connection, entries)
            if remembered:
                self._note(position)
                yield openings
                with _transaction(connection):
                    connection.executemany(_REMEMBER, remembered)
                self._clear_note()
                return
        yield openings

    def _register(
        self, connection: sqlite3.Connection, entries: Sequence[Entry]
    ) -> tuple[list[bytes | None], list[tuple[int, str, int]]]:
        now_ms = clock.now_ms()
        next_id = max(_last_id(connection) + 1, first_id_at(now_ms))
        known = self._known(connection, entries, now_ms)
        spans = Sessions(connection, _visitors(entries), now_ms=now_ms)
        openings: list[bytes | None] = []
        remembered = []
        for entry in entries:
            if entry.event_id is not None:
                name = (entry.site_id, entry.event_id)
                if name in known:
                    openings.append(None)
                    continue
                known.add(name)
                remembered.append((*name, next_id))
            openings.append(_opening(spans, entry, next_id))
            next_id += 1
        spans.save()
        _set_state(connection, "last_id", next_id - 1)
        return openings, remembered

    def _known(
        self, connection: sqlite3.Connection, entries: Sequence[Entry], now_ms: int
    ) -> set[tuple[int, str]]:
        names = [(entry.site_id, entry.event_id) for entry in entries if entry.event_id is not None]
        if not names:
            return set()
        oldest = first_id_at(now_ms - EVENT_ID_WINDOW_MS)
        return set(connection.execute(_KNOWN, (json.dumps(names), oldest)))

    def finish_interrupted(self) -> None:
        """Record the event ids of a write whose process died; call before its file can go away."""
        with self._lock:
            self._record_interrupted(self._opened())

    def forget_old(self) -> None:
        """Remove what is older than its window."""
        now_ms = clock.now_ms()
        with self._lock:
            connection = self._opened()
            with _transaction(connection):
                sessions.forget_old_spans(connection, now_ms=now_ms)
                oldest = first_id_at(now_ms - EVENT_ID_WINDOW_MS)
                connection.execute("delete from known_event where id < ?", (oldest,))

    def last_id(self) -> int:
        """The greatest id given so far, over all workers."""
        with self._lock:
            return _last_id(self._opened())

    def forget_site(self, site_id: int) -> None:
        """Remove all that is known of a site."""
        with self._lock:
            connection = self._opened()
            with _transaction(connection):
                connection.execute("delete from session_span where site_id = ?", (site_id,))
                connection.execute("delete from known_event where site_id = ?", (site_id,))

    def forget_visitor(self, site_id: int, user_hash: int) -> None:
        """Remove the spans of a visitor."""
        with self._lock:
            connection = self._opened()
            with _transaction(connection):
                connection.execute(
                    "delete from session_span where site_id = ? and user_hash = ?", (site_id, user_hash)
                )

    def _opened(self) -> sqlite3.Connection:
        if self._connection is None:
            self._path.touch(mode=0o600)
            connection = sqlite3.connect(self._path, isolation_level=None, check_same_thread=False, timeout=5)
            connection.execute("pragma journal_mode = wal")
            connection.execute("pragma synchronous = off")
            connection.executescript(_SCHEMA + sessions.SCHEMA)
            if _state(connection, "boot_id") != clock.boot_id():
                self._rebuild(connection)
            self._connection = connection
        return self._connection

    def _rebuild(self, connection: sqlite3.Connection) -> None:
        """Make the state from the events, in one transaction that a reader of the state never sees half."""
        now_ms = clock.now_ms()
        last_id = self._history.last_id()
        spans = self._history.spans_since(now_ms - sessions.KEPT_MS - sessions.GAP_MS)
        known = self._history.event_ids_since(first_id_at(now_ms - EVENT_ID_WINDOW_MS))
        with _transaction(connection):
            connection.execute("delete from session_span")
            connection.execute("delete from known_event")
            connection.executemany("insert into session_span values (?, ?, ?, ?, ?)", spans)
            connection.executemany(_REMEMBER, known)
            _set_state(connection, "last_id", max(last_id, _last_id(connection)))
            _set_state(connection, "boot_id", clock.boot_id())

    def _note(self, position: Position) -> None:
        os.pwrite(self._lock.descriptor(), json.dumps(position).encode(), 0)

    def _clear_note(self) -> None:
        os.ftruncate(self._lock.descriptor(), 0)

    def _record_interrupted(self, connection: sqlite3.Connection) -> None:
        note = os.pread(self._lock.descriptor(), 4096, 0)
        if not note:
            return
        with _transaction(connection):
            connection.executemany(_REMEMBER, self._ids_written(note))
        self._clear_note()

    def _ids_written(self, note: bytes) -> Iterator[tuple[int, str, int]]:
        try:
            name, offset = json.loads(note)
        except ValueError:
            # The note itself was torn, so the write that follows a note never began.
            return
        path = self._journal_folder / name
        for line in complete_lines(path, offset):
            row: dict[str, Any] = json.loads(line)
            if row.get("event_id") is not None:
                yield row["site_id"], row["event_id"], row["id"]


@contextmanager
def _transaction(connection: sqlite3.Connection) -> Iterator[None]:
    connection.execute("begin immediate")
    try:
        yield
    except BaseException:
        connection.execute("rollback")
        raise
    connection.execute("commit")


def _visitors(entries: Sequence[Entry]) -> Iterator[tuple[int, int]]:
    for entry in entries:
        yield entry.site_id, entry.user_hash
        if entry.earlier_hash is not None:
            yield entry.site_id, entry.earlier_hash


def _opening(spans: Sessions, entry: Entry, event_id: int) -> bytes:
    """The opening of an event's line: its id, its session and its visitor."""
    visitor = (entry.site_id, entry.user_hash)
    if entry.earlier_hash is not None:
        # The salt changed at midnight; a session that crosses it stays one session of one visitor.
        earlier = (entry.site_id, entry.earlier_hash)
        if spans.has_live(earlier, entry.timestamp):
            visitor = earlier
    session_id = spans.assign(visitor, entry.timestamp, event_id)
    return b'{"id":%d,"session_id":%d,"user_hash":%d,' % (event_id, session_id, visitor[1])


def _state(connection: sqlite3.Connection, name: str) -> Any:
    row = connection.execute("select value from state where name = ?", (name,)).fetchone()
    return row[0] if row else None


def _set_state(connection: sqlite3.Connection, name: str, value: Any) -> None:
    connection.execute("insert or replace into state (name, value) values (?, ?)", (name, value))


def _last_id(connection: sqlite3.Connection) -> int:
    return int(_state(connection, "last_id") or 0)
