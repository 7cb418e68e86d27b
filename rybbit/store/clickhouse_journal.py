"""The events of this machine that are not in ClickHouse yet, as a query finds them."""

from dataclasses import dataclass
from pathlib import Path

from rybbit.errors import Unavailable
from rybbit.store.base import Scope
from rybbit.store.clickhouse_progress import Progress
from rybbit.store.journal_files import JournalFolder, end_of_last_batch
from rybbit.store.tombstones import Tombstones

# Shipping never takes so long that this much piles up, unless the server was away.
_MOST_BYTES = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class View:
    """What a query reads: lines that are in no batch that counts, and which batches count.

    Of the rows of this machine those count whose `batch_id` is not above `last`; `hidden` is the condition
    on what is deleted.
    """

    lines: bytes
    last: int
    hidden: str


class FilesChanged(Exception):
    """The mover came between the look at the folder and the reading of a file."""


def look(journal: JournalFolder, tombstones: Tombstones, progress: Progress, scope: Scope) -> View:
    """One look at it, for a query of a scope.

    Raises:
        FilesChanged: look again.
        Unavailable: there is more than a query can be sent.
    """
    # Deletions first: one that is over by then has gone from the table, too.
    hidden = tombstones.hidden(scope)
    before = journal.listing()
    known = progress.known()
    if known is None or journal.listing() != before:
        raise FilesChanged
    # Batches count by our own note alone: it changes after the rows are in and before the files go.
    open_names, closed_names = before.names_after(known.finished)
    lines = _read([journal.path / name for name in (*open_names, *closed_names)])
    return View(lines, progress.batch_id(known.finished), hidden)


def _read(paths: list[Path]) -> bytes:
    parts: list[bytes] = []
    size = 0
    for path in paths:
        parts.append(_lines(path))
        size += len(parts[-1])
        if size > _MOST_BYTES:
            raise Unavailable("Events are on their way into the event store; ask again", retry_after=5)
    return b"".join(parts)


def _lines(path: Path) -> bytes:
    """The lines of a file up to the last whole batch; an open one may have been closed meanwhile."""
    for candidate in (path, path.with_suffix(".jsonl")):
        try:
            data = candidate.read_bytes()
        except FileNotFoundError:
            continue
        return data[: end_of_last_batch(data)]
    raise FilesChanged
