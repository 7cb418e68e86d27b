"""What a batch is given on receipt, in one order over all workers: ids, sessions, known event ids.

The state lies in two files under one lock: the sessions in a table that the workers map, the event ids in
SQLite, which only batches that carry some have to ask. Both survive the death of a process; after the death
of the machine, or when they are damaged, they are made anew from the events.

A batch that carries `event_id`s keeps the lock until it is on disk. Its place in the journal is noted
in the lock file before; who finds a note there knows that the writer died or failed in between, and
records the ids of what did reach the file.
"""

import errno
import json
import logging
import math
import os
import sqlite3
import weakref
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from rybbit import clock
from rybbit.ingest.known_ids import WINDOW_MS, Known, KnownIds
from rybbit.ingest.sessions import KEPT_MS
from rybbit.ingest.span_table import BLOCK_MS, Row, SpanTable
from rybbit.locks import QuickLock, register_forkable
from rybbit.store.event import first_id_at, read_line, received_ms
from rybbit.store.journal import Entry, Position
from rybbit.store.journal_files import complete_lines

logger = logging.getLogger(__name__)

_BACKWARDS_MS = 1_000
_BACKWARDS_PAUSE_SECONDS = 60


class History(Protocol):
    """What the stored events say, for making the state anew."""

    def last_id(self) -> int:
        """The greatest id given so far, 0 if none."""

    def spans_since(self, milliseconds: int, *, block_ms: int) -> Iterable[Row]:
        """What sessions did in each block of so many milliseconds, if it was received since then."""

    def event_ids_since(self, first_id: int) -> Iterable[Known]:
        """The events received since then that carry an event_id."""

    def event_ids_of(self, site_id: int, user_hash: int, first_id: int) -> Iterable[Known]:
        """Those of a visitor among them."""


_all_receipts: "weakref.WeakSet[Receipts]" = weakref.WeakSet()
_held: "list[Receipts]" = []


def _hold_all() -> None:
    locked: set[Path] = set()
    for receipts in list(_all_receipts):
        # Of two in one process on the same files, the first holds off the other's threads, too.
        if receipts.path not in locked:
            receipts.hold_for_fork()
            locked.add(receipts.path)
            _held.append(receipts)
        receipts.close_ids()


def _go_on_all() -> None:
    while _held:
        _held.pop().go_on_after_fork()


os.register_at_fork(before=_hold_all, after_in_parent=_go_on_all, after_in_child=_held.clear)


class Receipts:
    """The receiver that the journal hands each batch to; `path` names the file of event ids.

    `first_of_ms` gives where the ids of a millisecond begin, so that machines that share a store give others.
    """

    def __init__(
        self,
        path: Path,
        journal_folder: Path,
        history: History,
        *,
        first_of_ms: Callable[[], int] = lambda: 0,
    ) -> None:
        self.path = path
        self._journal_folder = journal_folder
        self._history = history
        self._first_of_ms = first_of_ms
        self._lock = QuickLock(path.with_suffix(".lock"))
        self._spans = SpanTable(path.with_suffix(".spans"))
        self._ids = KnownIds(path)
        self._tell_of_clock_at = -math.inf
        register_forkable(self)
        _all_receipts.add(self)

    def hold_for_fork(self) -> None:
        """Keep every thread from the files until `go_on_after_fork`."""
        self._lock.acquire()

    def close_ids(self) -> None:
        """Close the file of event ids before a fork, while all threads are held off.

        SQLite's locks do not pass to a child, but SQLite believes so there; and while the child works
        without them, the parent would remove the log of the file at its end, as if it were the last.
        """
        self._ids.close()

    def go_on_after_fork(self) -> None:
        """In the parent: the next batch opens the files again."""
        self._lock.release()

    def reset_after_fork(self) -> None:
        """In the child: what could not be closed before is the parent's."""
        self._ids.let_go()

    def close(self) -> None:
        """Close the files; the next batch opens them again."""
        with self._lock:
            self._ids.close()
            self._spans.close()

    @contextmanager
    def receive(self, entries: Sequence[Entry], position: Position) -> Iterator[list[bytes | None]]:
        """See `Receiver.receive`."""
        with self._lock:
            self._make_ready()
            openings, remembered = self._register(entries)
            if remembered:
                self._note(position)
                yield openings
                self._remember(remembered)
                return
        yield openings

    def _make_ready(self) -> None:
        """Open what is closed, make anew what is lost, finish what was interrupted."""
        if not self._spans.is_ready():
            rows = self._history.spans_since(clock.now_ms() - KEPT_MS, block_ms=BLOCK_MS)
            self._spans.fill(rows, last_id=self._history.last_id())
            # Who began the last write is not known any more, so look.
            self._spans.is_noted = True
        if self._spans.is_noted:
            self._record_interrupted()

    def _ready_ids(self) -> KnownIds:
        if not self._ids.is_ready():
            self._ids.fill(self._history.event_ids_since(first_id_at(clock.now_ms() - WINDOW_MS)))
        return self._ids

    def _register(self, entries: Sequence[Entry]) -> tuple[list[bytes | None], list[Known]]:
        now_ms = clock.now_ms()
        next_id = max(self._spans.last_id + 1, first_id_at(now_ms) + self._first_of_ms())
        if next_id > first_id_at(now_ms + _BACKWARDS_MS):
            self._tell_of_clock(received_ms(next_id) - now_ms)
        known = self._known(entries, now_ms)
        # Taken before any session is named after one of them: whoever fails or dies leaves a gap.
        self._spans.last_id = next_id + len(entries) - 1
        openings: list[bytes | None] = []
        remembered: list[Known] = []
        for entry in entries:
            if entry.event_id is not None:
                name = (entry.site_id, entry.event_id)
                if name in known:
                    openings.append(None)
                    continue
                known.add(name)
                remembered.append((*name, next_id))
            openings.append(self._opening(entry, next_id, now_ms))
            next_id += 1
        return openings, remembered

    def _tell_of_clock(self, behind_ms: int) -> None:
        """Log that the clock stepped back, once a minute at most: it is no loss, but explains odd times."""
        if clock.monotonic() >= self._tell_of_clock_at:
            self._tell_of_clock_at = clock.monotonic() + _BACKWARDS_PAUSE_SECONDS
            logger.warning(
                "The clock is %d s behind the last receipt; till it is there, events count as received then",
                behind_ms // 1000,
            )

    def _known(self, entries: Sequence[Entry], now_ms: int) -> set[tuple[int, str]]:
        names = [(entry.site_id, entry.event_id) for entry in entries if entry.event_id is not None]
        return self._ready_ids().among(names, now_ms=now_ms) if names else set()

    def _opening(self, entry: Entry, event_id: int, now_ms: int) -> bytes:
        """The opening of an event's line: its id, its session and its visitor."""
        visitor = (entry.site_id, entry.user_hash)
        if entry.earlier_hash is not None:
            # The salt changed at midnight; a session that crosses it stays one session of one visitor.
            earlier = (entry.site_id, entry.earlier_hash)
            if self._spans.has_live(earlier, entry.timestamp):
                visitor = earlier
        session_id = self._spans.assign(visitor, entry.timestamp, event_id, now_ms=now_ms)
        return b'{"id":%d,"session_id":%d,"user_hash":%d,' % (event_id, session_id, visitor[1])

    def _remember(self, rows: Sequence[Known]) -> None:
        try:
            self._ids.remember(rows)
            self._clear_note()
        except (sqlite3.Error, OSError):
            # The events are on disk, and must be acknowledged. Whoever comes next finds the note.
            logger.exception("The ids of %d events could not be recorded yet", len(rows))

    def make_ready(self) -> None:
        """Make anew what is lost while the store answers, rather than with the first batch that needs it."""
        with self._lock:
            self._make_ready()
            self._ready_ids()

    def finish_interrupted(self) -> None:
        """Record the event ids of a write whose process died; call before its file can go away.

        What is lost is not made anew here: the store may answer only when the files are with it.
        """
        with self._lock:
            if self._spans.is_ready():
                if self._spans.is_noted:
                    self._record_interrupted()
            elif self._ids.is_ready():
                # The note stays for who makes the sessions anew.
                self._remember_written()

    def forget_old(self) -> None:
        """Remove what is older than its window, a little at a time, so that no batch waits long."""
        now_ms = clock.now_ms()
        with self._lock:
            self._make_ready()
            self._ready_ids().forget_old(now_ms=now_ms)
        start = -1
        while start:
            with self._lock:
                self._make_ready()
                start = self._spans.sweep(max(start, 0), now_ms=now_ms)

    def last_id(self) -> int:
        """The greatest id given so far, over all workers."""
        with self._lock:
            self._make_ready()
            return self._spans.last_id

    def forget_site(self, site_id: int) -> None:
        """Remove all that is known of a site, from the disk too."""
        with self._lock:
            self._make_ready()
            self._spans.forget_site(site_id)
            self._ready_ids().forget_site(site_id)

    def forget_visitor(self, site_id: int, user_hash: int, *, name: str = "") -> None:
        """Remove the sessions of a visitor and the event ids that they sent, from the disk too."""
        since = first_id_at(clock.now_ms() - WINDOW_MS)
        # Before the lock, which every batch of every worker waits for.
        known = list(self._history.event_ids_of(site_id, user_hash, since))
        with self._lock:
            self._make_ready()
            self._spans.forget_visitor((site_id, user_hash))
            if known:
                self._ready_ids().forget(known)

    def _note(self, position: Position) -> None:
        note = json.dumps(position).encode()
        # First, so that whatever is in the file when somebody dies here is looked at and cleared.
        self._spans.is_noted = True
        if os.pwrite(self._lock.descriptor(), note, 0) < len(note):
            raise OSError(errno.ENOSPC, "The note in the lock file is cut short")

    def _clear_note(self) -> None:
        os.ftruncate(self._lock.descriptor(), 0)
        self._spans.is_noted = False

    def _record_interrupted(self) -> None:
        # Ids that are lost are made anew from the events, and those of this write are among them.
        if self._ids.is_ready():
            self._remember_written()
        self._clear_note()

    def _remember_written(self) -> None:
        note = os.pread(self._lock.descriptor(), 4096, 0)
        if note:
            self._ids.remember(self._ids_written(note))

    def _ids_written(self, note: bytes) -> Iterator[Known]:
        try:
            name, offset = json.loads(note)
        except (ValueError, TypeError):
            # The note itself was torn, so the write that follows a note never began.
            return
        path = self._journal_folder / name
        for line in complete_lines(path, offset):
            row = read_line(line)
            if row is not None and row.get("event_id") is not None:
                yield row["site_id"], row["event_id"], row["id"]
