"""The way of loaded events into the store: as closed files of the journal, which the mover takes.

So whatever holds for events that come in holds for these: they can be read at once, are stored exactly once,
and it does not matter whether a server runs.
"""

import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from itertools import islice
from pathlib import Path

from rybbit import clock
from rybbit.store.journal_files import JournalFolder, sync_folder
from rybbit.store.mover import Mover

PART_EVENTS = 40_000


class Loader:
    """Puts lines into the journal in parts, while those before are moved to the store."""

    def __init__(self, journal: JournalFolder, mover: Mover) -> None:
        self._journal = journal
        self._mover = mover

    def load(
        self, folder: Path, number: int, lines: Iterable[bytes], *, tell: Callable[[int], object]
    ) -> None:
        """Load all lines; what is not loaded when the process ends is not loaded at all.

        Args:
            folder: where parts are prepared, on the file system of the journal.
            number: the number of the load.
            tell: called with the number of lines of each part.
        """
        remaining = iter(lines)
        with self.moving() as move:
            for part, chunk in enumerate(iter(lambda: list(islice(remaining, PART_EVENTS)), [])):
                staged = folder / f"{number}-{part}.part"
                write_durably(staged, chunk)
                self.place(staged, number, part)
                move()
                tell(len(chunk))

    def place(self, staged: Path, number: int, part: int) -> None:
        """Make a prepared file, which is on disk, part of the journal; a crash does it or does not."""
        staged.rename(self._journal.path / f"{clock.now_ms()}-load{number}-{part:06d}.jsonl")
        sync_folder(self._journal.path)
        sync_folder(staged.parent)

    @contextmanager
    def moving(self) -> Iterator[Callable[[], None]]:
        """A function that has the journal moved in a thread, no more than one part behind; all at the end."""
        running: Future[int] | None = None
        with ThreadPoolExecutor(1, thread_name_prefix="rybbit-load") as pool:

            def move() -> None:
                nonlocal running
                if running is not None:
                    running.result()
                running = pool.submit(self._mover.move_all)

            yield move
            move()
            if running is not None:
                running.result()


def write_durably(path: Path, chunks: Iterable[bytes]) -> None:
    """Write a file that is there whole or not at all, whatever happens."""
    temporary = path.with_name(f"{path.name}.new")
    with temporary.open("wb") as file:
        file.writelines(chunks)
        file.flush()
        os.fsync(file.fileno())
    temporary.rename(path)
    sync_folder(path.parent)
