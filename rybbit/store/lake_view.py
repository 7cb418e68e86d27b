"""What a reader of the lake sees at one moment: a snapshot of the table and the journal beyond it."""

from pathlib import Path
from typing import Any, NamedTuple

from rybbit.store.base import Scope
from rybbit.store.journal_files import JournalFolder, unfinished_ids
from rybbit.store.lake_query import Sources
from rybbit.store.lake_table import LakeTable, Snapshot
from rybbit.store.tombstones import Tombstones


class View(NamedTuple):
    """What a query reads: a snapshot, the journal files beyond it, and a condition on what is deleted.

    `sizes` are those (bytes) that the open files had, which only ever grow, before anything of them was read.
    """

    snapshot: Snapshot
    open: list[Path]
    closed: list[Path]
    sizes: tuple[int, ...]
    hidden: str

    @property
    def state(self) -> tuple[Any, ...]:
        """All that an answer depends on beside the question and what is hidden from it."""
        return self.snapshot, self.open, self.sizes, self.closed

    def sources(self, scope: Scope, *, lenient: bool) -> Sources:
        """Where the events of a scope are; `lenient` passes over damaged lines of closed files, too."""
        closed = [] if lenient else [str(path) for path in self.closed]
        opened = [str(path) for path in (*self.open, *(self.closed if lenient else ()))]
        return Sources(self.snapshot.paths_in(scope), closed, opened, self.hidden)


def look(table: LakeTable, journal: JournalFolder, tombstones: Tombstones, scope: Scope) -> View | None:
    """A snapshot and the journal files beyond it; None if they changed meanwhile."""
    # Deletions first: one that is over by then has left the files of the snapshot, too.
    hidden = tombstones.hidden(scope)
    before = journal.listing()
    snapshot = table.snapshot()
    # The snapshot twice as well: both listings can miss a file that was renamed, then moved.
    if journal.listing() != before or table.snapshot() is not snapshot:
        return None
    opened, closed = (
        [journal.path / name for name in names] for names in before.names_after(snapshot.last_batch)
    )
    try:
        sizes = tuple(path.stat().st_size for path in opened)
    except FileNotFoundError:
        # Closed since: nothing may be answered of it by what is known of an empty one.
        return None
    # Looked at last: a batch that is whole by now may be read.
    for path in opened:
        if (ids := unfinished_ids(path)) is not None:
            hidden += f" or id between {ids[0]:d} and {ids[1]:d}"
    return View(snapshot, opened, closed, sizes, hidden)
