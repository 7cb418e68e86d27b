"""Keeping the lake small and true: compaction, erasure of deleted events, removal of replaced files.

It costs hundreds of megabytes, so that it runs in a process of its own (`maintenance.py`).
"""

import logging
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from rybbit import clock
from rybbit.faults import crash_point
from rybbit.locks import FileLock
from rybbit.store.base import Scope
from rybbit.store.journal_files import JournalFolder
from rybbit.store.lake_table import DataFile, LakeTable, quoted
from rybbit.store.lake_visits import VisitFiles
from rybbit.store.lake_writing import PART, write_events
from rybbit.store.tombstones import Tombstone, Tombstones, hidden_condition

if TYPE_CHECKING:
    import duckdb

logger = logging.getLogger(__name__)

MIB = 1024 * 1024
# Small files are merged when many have come together, middling ones when a few have: each event is
# rewritten twice in its life, not with every compaction.
_SMALL = 4 * MIB
_MIDDLING = 64 * MIB
_MIDDLING_FILES = 8
_GROUP_BYTES = 128 * MIB


class LakeRewriter:
    """Rewrites files of the table; one process at a time, while others append and read."""

    def __init__(
        self,
        table: LakeTable,
        visits: VisitFiles,
        journal: JournalFolder,
        tombstones: Tombstones,
        lock: FileLock,
        *,
        compact_files: int,
        erase_hours: int,
    ) -> None:
        self._table = table
        self._visits = visits
        self._journal = journal
        self._tombstones = tombstones
        self._lock = lock
        self._compact_files = compact_files
        self._erase_hours = erase_hours

    def is_due(self) -> bool:
        """Whether there is work, and nobody at it."""
        if not self._has_work() or not self._lock.acquire(blocking=False):
            return False
        self._lock.release()
        return True

    def _has_work(self) -> bool:
        snapshot = self._table.snapshot()
        return bool(
            self._groups(snapshot.files)
            or self._tombstones.ripe(self._journal)
            or self._removable()
            or self._visits.has_work(snapshot)
        )

    def run(self, cursor: "duckdb.DuckDBPyConnection", *, everything: bool = False) -> None:
        """Do what is due; with `everything`, merge all files whatever their size."""
        with self._lock:
            self._erase(cursor)
            files = self._table.snapshot().files
            groups = list(_chunks(files)) if everything else self._groups(files)
            for group in groups:
                if len(group) > 1:
                    self._merge(cursor, group)
            # Those of what is erased go first of all.
            self._visits.tidy(self._table.snapshot())
            removable = self._removable()
            crash_point("rewrite:before-tidy")
            if groups or removable:
                self._table.tidy(erase_hours=self._erase_hours)
            for tombstone in removable:
                self._tombstones.remove(tombstone)
            self._visits.build(cursor, self._table.snapshot())

    def _groups(self, files: Sequence[DataFile]) -> list[list[DataFile]]:
        files = [file for file in files if not file.path.startswith(PART)]
        small = [file for file in files if file.size < _SMALL]
        middling = [file for file in files if _SMALL <= file.size < _MIDDLING]
        groups: list[list[DataFile]] = []
        if len(small) >= self._compact_files:
            groups.extend(_chunks(small))
        if len(middling) >= _MIDDLING_FILES:
            groups.extend(_chunks(middling))
        return [group for group in groups if len(group) > 1]

    def _merge(self, cursor: "duckdb.DuckDBPyConnection", files: Sequence[DataFile]) -> None:
        added = self._copy(cursor, files, "true")
        rows = sum(file.rows for file in files)
        written = sum(file.rows for file in added)
        if written != rows:
            raise RuntimeError(f"Compaction wrote {written} of {rows} events; the old files stay")
        crash_point("rewrite:before-commit")
        with self._table.writing:
            self._table.commit(added, removed=files, changes_data=False)
        logger.info("Merged %d files with %d events", len(files), rows)

    def _copy(
        self, cursor: "duckdb.DuckDBPyConnection", files: Sequence[DataFile], condition: str
    ) -> list[DataFile]:
        source = f"from {self._source(files)} where ({condition})"
        return write_events(self._table, cursor, source, name="merged", is_sorted=len(files) == 1)

    def _source(self, files: Sequence[DataFile]) -> str:
        names = ", ".join(f"'{quoted(self._table.folder / file.path)}'" for file in files)
        return f"read_parquet([{names}], union_by_name = true)"

    def _erase(self, cursor: "duckdb.DuckDBPyConnection") -> None:
        tombstones = self._tombstones.ripe(self._journal)
        hidden = hidden_condition(tombstones)
        scopes = [Scope(each.site_id, None, each.before_ms) for each in tombstones]
        for file in self._table.snapshot().files:
            if any(file.may_hold(scope) for scope in scopes):
                self._erase_from(cursor, file, hidden)
        for tombstone in tombstones:
            self._tombstones.mark_erased(tombstone)

    def _erase_from(self, cursor: "duckdb.DuckDBPyConnection", file: DataFile, hidden: str) -> None:
        # Asked first: reading a few columns is much less than writing all of them anew for nothing.
        found = cursor.execute(f"select 1 from {self._source([file])} where {hidden} limit 1").fetchone()
        if found is None:
            return
        kept = self._copy(cursor, [file], f"not ({hidden})")
        rows = sum(each.rows for each in kept)
        if rows < file.rows:
            with self._table.writing:
                self._table.commit(kept, removed=[file])
            logger.info("Erased %d events of %d from a file", file.rows - rows, file.rows)

    def _removable(self) -> list[Tombstone]:
        """Erased deletions whose old files may go now."""
        before = clock.now_ms() - self._erase_hours * 3_600_000
        return [tombstone for tombstone in self._tombstones.erased() if tombstone.created_ms <= before]


def _chunks(files: Sequence[DataFile]) -> Iterator[list[DataFile]]:
    """Files in groups whose sizes add up to what one sort can take."""
    group: list[DataFile] = []
    for file in sorted(files, key=lambda file: file.min_ms):
        if group and sum(each.size for each in group) + file.size > _GROUP_BYTES:
            yield group
            group = []
        group.append(file)
    if group:
        yield group
