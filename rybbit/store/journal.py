"""The journal: events are on disk before they are acknowledged.

Threads that have events to write queue up. The first one in the queue writes for all that wait
(group commit): one write, one `fdatasync`. There is no thread of its own to start, stop or fork.
"""

import logging
import threading
from collections import deque
from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import NamedTuple, Protocol

from rybbit import clock
from rybbit.errors import Unavailable
from rybbit.locks import register_forkable
from rybbit.store.journal_files import CONTINUED, JournalFile, JournalFolder

logger = logging.getLogger(__name__)

_GROUP_EVENTS = 4_000
# How long the writer waits for those who took part in the last round: fewer and larger writes cost a busy
# server far less processor time, and a single sender is never waited for.
_GATHER_SECONDS = 0.002
_CLOSE_SECONDS = 10


class Entry:
    """One event on its way to disk.

    `body` is its JSON object less the opening brace and the columns that are given on receipt (id,
    session, visitor). `earlier_hash` is the visitor's hash under the salt of yesterday, if it counts.
    """

    __slots__ = ("body", "earlier_hash", "event_id", "site_id", "timestamp", "user_hash")

    def __init__(
        self,
        site_id: int,
        user_hash: int,
        timestamp: int,
        body: bytes,
        *,
        event_id: str | None = None,
        earlier_hash: int | None = None,
    ) -> None:
        self.site_id = site_id
        self.user_hash = user_hash
        self.timestamp = timestamp
        self.body = body
        self.event_id = event_id
        self.earlier_hash = earlier_hash


class Position(NamedTuple):
    """Where the next write goes: the name of a journal file and an offset in bytes."""

    name: str
    offset: int


class Receiver(Protocol):
    """Gives a batch what depends on what came before: ids, sessions, known event ids."""

    def receive(
        self, entries: Sequence[Entry], position: Position
    ) -> AbstractContextManager[Sequence[bytes | None]]:
        """The opening of each event's line, None for an event that is already stored.

        The lines are written inside the context; leaving it without an error says that they are on disk.
        """


class _Group:
    """The events of one request and the thread that waits for them."""

    __slots__ = ("entries", "error", "stored", "turn")

    def __init__(self, entries: Sequence[Entry]) -> None:
        self.entries = entries
        self.stored: list[bool] | None = None
        self.error: BaseException | None = None
        self.turn = threading.Lock()
        self.turn.acquire()


class Journal:
    """The journal of one process; every process of the instance has one in the same folder."""

    def __init__(
        self,
        folder: JournalFolder,
        receiver: Receiver,
        *,
        file_bytes: int,
        file_seconds: float,
        queue_limit: int,
    ) -> None:
        self._folder = folder
        self._receiver = receiver
        self._file_bytes = file_bytes
        self._file_seconds = file_seconds
        self._queue_limit = queue_limit
        self._file: JournalFile | None = None
        self._reset_threads()
        register_forkable(self)

    def _reset_threads(self) -> None:
        self._mutex = threading.Lock()
        self._idle = threading.Condition(self._mutex)
        self._file_lock = threading.Lock()
        self._queue: deque[_Group] = deque()
        self._waiting = 0
        self._expected = 1
        self._gathering: _Group | None = None
        self._leading = False
        self._closed = False

    def reset_after_fork(self) -> None:
        """Leave the parent's file to the parent."""
        if self._file is not None:
            self._file.abandon()
            self._file = None
        self._reset_threads()

    def append(self, entries: Sequence[Entry]) -> list[bool]:
        """Write events durably, all or none; answers for each whether it was new.

        False stands for an event whose id is already stored. The events become readable at once.

        Raises:
            Unavailable: nothing was stored: the disk, the queue or the shutdown does not let us.
        """
        group = _Group(entries)
        if not self._enqueue(group):
            group.turn.acquire()
        if group.stored is None and group.error is None:
            self._lead(group)
        if group.stored is None:
            raise Unavailable("Events cannot be stored at the moment") from group.error
        return group.stored

    def _enqueue(self, group: _Group) -> bool:
        """Put a group into the queue; True if its thread shall write for all."""
        with self._mutex:
            if self._closed:
                raise Unavailable("The server is shutting down")
            if self._waiting + len(group.entries) > self._queue_limit:
                raise Unavailable("Too many events are waiting to be stored")
            self._waiting += len(group.entries)
            self._queue.append(group)
            if self._leading:
                self._stop_gathering(least=self._expected)
                return False
            self._leading = True
            return True

    def _stop_gathering(self, *, least: int) -> None:
        """Wake the writer that waits for others, if so many have come; the caller holds the mutex."""
        if self._gathering is not None and len(self._queue) >= least:
            self._gathering.turn.release()
            self._gathering = None

    def _gather(self, leader: _Group) -> None:
        with self._mutex:
            if self._closed or len(self._queue) >= self._expected:
                return
            self._gathering = leader
        leader.turn.acquire(timeout=_GATHER_SECONDS)
        with self._mutex:
            self._gathering = None

    def _lead(self, leader: _Group) -> None:
        try:
            self._gather(leader)
        finally:
            # Even if the wait was interrupted: the others rely on this thread.
            self._write_queued()

    def _write_queued(self) -> None:
        groups = self._take_groups()
        try:
            self._commit(groups)
        finally:
            for group in groups[1:]:
                group.turn.release()
            self._hand_over(groups)

    def _hand_over(self, groups: list[_Group]) -> None:
        """Let the next in the queue write for those that came meanwhile."""
        with self._mutex:
            self._waiting -= sum(len(group.entries) for group in groups)
            self._expected = len(groups) + len(self._queue)
            self._leading = bool(self._queue)
            if self._leading:
                self._queue[0].turn.release()
            else:
                self._idle.notify_all()

    def _take_groups(self) -> list[_Group]:
        groups: list[_Group] = []
        events = 0
        with self._mutex:
            while self._queue and events < _GROUP_EVENTS:
                groups.append(self._queue.popleft())
                events += len(groups[-1].entries)
        return groups

    def _commit(self, groups: list[_Group]) -> None:
        try:
            with self._file_lock:
                self._write(groups)
        except BaseException as error:
            # Whatever it was, none of these events is stored, and each waiting request must hear of it.
            logger.exception("The journal cannot be written; %d requests were told so", len(groups))
            for group in groups:
                group.error = error
            if not isinstance(error, Exception):
                raise

    def _write(self, groups: list[_Group]) -> None:
        if self._file is None:
            self._file = JournalFile(self._folder.path)
        file = self._file
        entries = [entry for group in groups for entry in group.entries]
        with self._receiver.receive(entries, Position(file.path.name, file.size)) as openings:
            data = _lines(groups, openings)
            if data:
                try:
                    file.write(data)
                except BaseException:
                    # After a failed fsync the kernel may hold the data for clean: never try this one again.
                    self._close_file()
                    raise
        start = 0
        for group in groups:
            end = start + len(group.entries)
            group.stored = [opening is not None for opening in openings[start:end]]
            start = end
        if file.size >= self._file_bytes:
            self._close_full_file()

    def _close_full_file(self) -> None:
        try:
            self._close_file()
        except OSError:
            # The events are on disk all the same; an adopter will close the file.
            logger.exception("A full journal file could not be closed")

    def _close_file(self) -> None:
        file, self._file = self._file, None
        if file is not None:
            file.close()

    def close_if_due(self) -> None:
        """Close the file if it is old enough; called again and again."""
        file = self._file
        if file is not None and clock.monotonic() - file.opened_at >= self._file_seconds:
            self.close_file()

    def close_file(self) -> None:
        """Close the file now, so that the mover can take it; the next event begins another."""
        with self._file_lock:
            self._close_file()

    def close(self) -> None:
        """Refuse further events, wait for those in the queue, close the file."""
        with self._mutex:
            self._closed = True
            self._stop_gathering(least=0)
            self._idle.wait_for(lambda: not self._leading, timeout=_CLOSE_SECONDS)
        self.close_file()


def _lines(groups: list[_Group], openings: Sequence[bytes | None]) -> bytes:
    """The journal lines of the new events; all of a group but its last are marked as continued."""
    lines: list[bytes] = []
    start = 0
    for group in groups:
        end = start + len(group.entries)
        pairs = zip(openings[start:end], group.entries, strict=True)
        new = [opening + entry.body for opening, entry in pairs if opening is not None]
        lines += [line[:-1] + CONTINUED for line in new[:-1]]
        lines += [line + b"\n" for line in new[-1:]]
        start = end
    return b"".join(lines)
