"""From the journal to the store, exactly once.

Closed journal files are named in a manifest, committed as one numbered batch, then deleted, then the
manifest. The store remembers the number in the same step as the events, so that whoever comes after a
crash knows what is left to do.
"""

import logging
from collections.abc import Callable, Sequence
from pathlib import Path

from rybbit import clock
from rybbit.errors import Unavailable
from rybbit.faults import crash_point
from rybbit.locks import FileLock
from rybbit.store.base import EventStore, UnreadableBatch
from rybbit.store.event import read_line
from rybbit.store.journal_files import JournalFolder, created_ms, sync_file, sync_folder

logger = logging.getLogger(__name__)

_BATCH_BYTES = 32 * 1024 * 1024


class Mover:
    """Moves the journal of an instance; whichever process holds the lock does it."""

    def __init__(
        self,
        folder: JournalFolder,
        store: EventStore,
        lock: FileLock,
        *,
        move_bytes: int,
        move_seconds: float,
        before_adoption: Callable[[Path], None],
        is_urgent: Callable[[], bool],
    ) -> None:
        self._folder = folder
        self._store = store
        self._lock = lock
        self._move_bytes = move_bytes
        self._move_seconds = move_seconds
        self._before_adoption = before_adoption
        self._is_urgent = is_urgent

    def tick(self) -> int:
        """Do what is due, unless another process is at it; answers how many events were moved."""
        if not self._lock.acquire(blocking=False):
            return 0
        try:
            return self._move(everything=False)
        except Unavailable as error:
            # The store has told the log. What it did not take waits here, and the next tick tries again.
            logger.debug("The journal is not moved: %s", error)
            return 0
        finally:
            self._lock.release()

    def move_all(self) -> int:
        """Move every closed file now, waiting for the lock; answers how many events were moved.

        Raises:
            Unavailable: the store is a server that does not answer; nothing is lost.
        """
        with self._lock:
            return self._move(everything=True)

    def _move(self, *, everything: bool) -> int:
        moved = self._finish_batches()
        self._folder.adopt_orphans(self._before_adoption)
        names = sorted(self._folder.listing().closed)
        if everything or self._is_due(names):
            for batch in self._batches(names):
                moved += self._move_batch(batch)
        return moved

    def _is_due(self, names: Sequence[str]) -> bool:
        if not names:
            return False
        if self._is_urgent():
            return True
        age = (clock.now_ms() - min(created_ms(name) for name in names)) / 1000
        # A clock that stepped back makes files of the future; they must not wait for it.
        return not 0 <= age < self._move_seconds or self._size(names) >= self._move_bytes

    def _size(self, names: Sequence[str]) -> int:
        return sum((self._folder.path / name).stat().st_size for name in names)

    def _batches(self, names: Sequence[str]) -> list[list[str]]:
        batches: list[list[str]] = []
        room = 0
        for name in names:
            size = self._size([name])
            if not batches or size > room:
                batches.append([])
                room = _BATCH_BYTES
            batches[-1].append(name)
            room -= size
        return batches

    def _move_batch(self, names: list[str]) -> int:
        for name in names:
            # The writer may live, and have failed only in noting what it wrote.
            self._before_adoption(self._folder.path / name)
        number = self._store.last_batch() + 1
        crash_point("mover:before-manifest")
        self._folder.write_manifest(number, names)
        crash_point("mover:manifest-written")
        return self._finish_batch(number, tuple(names))

    def _finish_batches(self) -> int:
        """Complete what a dead process began."""
        manifests = self._folder.listing().manifests
        return sum(self._finish_batch(number, names) for number, names in manifests)

    def _finish_batch(self, number: int, names: tuple[str, ...]) -> int:
        moved = 0
        if number > self._store.last_batch():
            moved = self._commit(number, [self._folder.path / name for name in names])
        crash_point("mover:committed")
        self._folder.remove_batch_files(names)
        crash_point("mover:files-removed")
        self._folder.remove_manifest(number)
        return moved

    def _commit(self, number: int, paths: Sequence[Path]) -> int:
        try:
            return self._store.commit_batch(number, paths)
        except UnreadableBatch as error:
            logger.error("Batch %d holds lines that are no events: %s", number, error)
        cleaned = [self._without_bad_lines(path) for path in paths]
        try:
            return self._store.commit_batch(number, cleaned)
        finally:
            for path in cleaned:
                path.unlink(missing_ok=True)

    def _without_bad_lines(self, path: Path) -> Path:
        """A copy of the file with its readable lines; the others go to the quarantine."""
        good: list[bytes] = []
        bad: list[bytes] = []
        for line in path.read_bytes().splitlines(keepends=True):
            is_event = line.endswith(b"\n") and read_line(line) is not None
            (good if is_event else bad).append(line)
        if bad:
            self._put_into_quarantine(path.name, bad)
            crash_point("mover:quarantined")
        cleaned = self._folder.cleaned(path.name)
        cleaned.write_bytes(b"".join(good))
        crash_point("mover:cleaned")
        return cleaned

    def _put_into_quarantine(self, name: str, lines: Sequence[bytes]) -> None:
        target = self._folder.quarantine / name
        target.write_bytes(b"".join(lines))
        sync_file(target)
        sync_folder(self._folder.quarantine)
        logger.error("Put %d lines of journal file %s into %s", len(lines), name, self._folder.quarantine)
