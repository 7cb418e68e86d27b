"""Visits that are kept beside large files of events, so that a question about visits need not group events.

A file of visits belongs to one file of events, by its name, and has a row for each visit of it. It holds
nothing that the events do not say: where it is missing, events are read.
"""

import logging
import os
from collections.abc import Mapping
from itertools import pairwise
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from rybbit.faults import crash_point
from rybbit.store.base import Scope
from rybbit.store.journal_files import sync_file, sync_folder
from rybbit.store.lake_query import Sources
from rybbit.store.lake_table import PARQUET, DataFile, Snapshot, quoted
from rybbit.store.lake_visits_query import KeptVisits
from rybbit.store.tombstones import NOTHING
from rybbit.store.visit import FIGURES, ORIGINS, TRAITS

if TYPE_CHECKING:
    import duckdb

logger = logging.getLogger(__name__)

_SUFFIX = ".visits"
# As many visits as a row group of events has, roughly.
_ROW_GROUP = 20_480

_TRAITS = ", ".join(f"coalesce({name}, '')" for name in TRAITS)
# `varies`: not all events have the same traits; no text holds the character between them. `is_shared`: other
# rows or other files tell of the visit as well. Of two files one was there first, so that the other one's row
# says it.
_PART = f"""
select
  site_id,
  session_id,
  user_hash,
  {", ".join(f"{sql} as {name}" for name, sql in (FIGURES | ORIGINS).items())},
  {", ".join(f"any_value({name}) as {name}" for name in TRAITS)},
  min(concat_ws(chr(0), {_TRAITS})) <> max(concat_ws(chr(0), {_TRAITS})) as varies,
  session_id in (select session_id from shared) as is_shared
from read_parquet($path)
where session_id between $first and $last
group by site_id, session_id, user_hash
"""
_SHARED = """
select session_id from read_parquet($path) group by session_id having min(user_hash) <> max(user_hash)
"""
_SHARED_WITH_OTHERS = """
union
select distinct session_id
from read_parquet($path)
where session_id in (select session_id from read_parquet($others))
"""
# What the texts of so many events' visits take is a tenth of what a query may.
_PART_ROWS = 250_000


class _Flags(NamedTuple):
    is_shared: bool
    varies: bool


class VisitFiles:
    """The folder of kept visits beside a table."""

    def __init__(self, folder: Path, *, least_kept: int, least_asked: int) -> None:
        self.folder = folder
        self._least_kept = least_kept
        self._least_asked = least_asked
        self._flags: dict[str, _Flags | None] = {}

    def names(self) -> set[str]:
        """The files of events that have their visits beside them."""
        try:
            with os.scandir(self.folder) as entries:
                found = [entry.name for entry in entries]
        except FileNotFoundError:
            return set()
        return {name.removesuffix(_SUFFIX) for name in found if name.endswith(_SUFFIX)}

    def lacking(self, snapshot: Snapshot) -> list[DataFile]:
        """Files of events that are so large that their visits are to be kept, and are not."""
        names = self.names()
        return [file for file in snapshot.files if file.rows >= self._least_kept and file.path not in names]

    def needless(self, snapshot: Snapshot) -> set[str]:
        """Files of events that are not part of the table any more, but have visits here."""
        return self.names() - {file.path for file in snapshot.files}

    def size(self) -> int:
        """How many bytes the folder takes."""
        try:
            with os.scandir(self.folder) as entries:
                return sum(entry.stat().st_size for entry in entries)
        except FileNotFoundError:
            return 0

    def find(
        self, cursor: "duckdb.DuckDBPyConnection", snapshot: Snapshot, scope: Scope, sources: Sources
    ) -> KeptVisits | None:
        """Where a question about the visits of a scope finds its answer.

        None if few are kept of it, or something of it is hidden, which kept visits still count.
        """
        if scope.site_id is None or sources.hidden != NOTHING:
            return None
        names = self.names()
        files = [file for file in snapshot.files if file.path in names and file.may_hold(scope)]
        if sum(_events_in(file, scope) for file in files) < self._least_asked:
            return None
        known = [(file, flags) for file in files if (flags := self._flags_of(cursor, file))]
        if not known:
            return None
        files = [file for file, _ in known]
        old = [str(snapshot.folder / file.path) for file in files]
        young = [path for path in sources.files if path not in set(old)]
        return KeptVisits(
            [str(self._path(file)) for file in files],
            old,
            min(file.min_ms for file in files),
            max(file.max_ms for file in files),
            Sources(young, name="young"),
            Sources((), sources.closed, sources.open),
            has_shared=any(flags.is_shared for _, flags in known),
            has_varying=any(flags.varies for _, flags in known),
        )

    def _flags_of(self, cursor: "duckdb.DuckDBPyConnection", file: DataFile) -> _Flags | None:
        """What is true of some row, which never changes; None if the file cannot be read."""
        import duckdb

        if file.path not in self._flags:
            sql = "select bool_or(is_shared), bool_or(varies) from read_parquet($path)"
            try:
                self._flags[file.path] = _Flags(
                    *cursor.execute(sql, {"path": str(self._path(file))}).fetchall()[0]
                )
            except duckdb.OperationalError:
                raise
            except duckdb.Error as error:
                logger.warning("Visits are counted from events, which is slower: %s", error)
                self._flags[file.path] = None
        return self._flags[file.path]

    def build(self, cursor: "duckdb.DuckDBPyConnection", snapshot: Snapshot, file: DataFile) -> None:
        """Keep the visits of a file; readers see all of them or none."""
        self.folder.mkdir(parents=True, exist_ok=True)
        source = {"path": str(snapshot.folder / file.path)}
        others = [str(snapshot.folder / each.path) for each in snapshot.files if each != file]
        shared = f"create or replace temp table shared as {_SHARED}"
        if others:
            cursor.execute(shared + _SHARED_WITH_OTHERS, {**source, "others": others})
        else:
            cursor.execute(shared, source)
        begin = "create or replace temp table kept as"
        for first, last in pairwise(_parts(cursor, source, file.rows)):
            cursor.execute(f"{begin} {_PART}", {**source, "first": first, "last": last - 1})
            begin = "insert into kept"
        path = self._path(file)
        temporary = path.with_suffix(".new")
        select = "select * from kept order by site_id, started"
        cursor.execute(f"copy ({select}) to '{quoted(temporary)}' ({PARQUET} {_ROW_GROUP})")
        cursor.execute("drop table kept; drop table shared")
        sync_file(temporary)
        crash_point("rewrite:visits-written")
        temporary.rename(path)
        sync_folder(self.folder)

    def tidy(self, snapshot: Snapshot) -> None:
        """Remove the visits of files that are not part of the table any more, and what was not finished."""
        for name in self.needless(snapshot):
            (self.folder / f"{name}{_SUFFIX}").unlink(missing_ok=True)
        for path in self.folder.glob("*.new"):
            path.unlink(missing_ok=True)

    def _path(self, file: DataFile) -> Path:
        return self.folder / f"{file.path}{_SUFFIX}"


def _events_in(file: DataFile, scope: Scope) -> float:
    """Roughly how many events of a scope a file has, as if all were of its site."""
    first = file.min_ms if scope.start_ms is None else max(scope.start_ms, file.min_ms)
    last = file.max_ms if scope.end_ms is None else min(scope.end_ms, file.max_ms)
    return file.rows * (last - first + 1) / (file.max_ms - file.min_ms + 1)


def _parts(cursor: "duckdb.DuckDBPyConnection", source: Mapping[str, str], rows: int) -> list[int]:
    """Ids of visits that part a file into ranges of some `_PART_ROWS` events, those of both ends too."""
    count = ceil(rows / _PART_ROWS)
    shares = [number / count for number in range(1, count)]
    found = []
    if shares:
        sql = "select quantile_disc(session_id, $shares) from read_parquet($path)"
        found = cursor.execute(sql, {**source, "shares": shares}).fetchall()[0][0]
    return [-(2**63), *sorted(set(found)), 2**63]
