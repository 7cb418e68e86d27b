"""Visits that are kept beside large files of events: a materialized view that saves grouping the events.

A file of visits belongs to one file of events, by its name, and has a row for each visit of it. It holds
nothing that the events do not say: where it is missing, events are read.
"""

import logging
import os
import time
from collections.abc import Mapping
from hashlib import sha256
from itertools import pairwise
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from rybbit.faults import crash_point
from rybbit.store.base import Scope
from rybbit.store.dialect import DUCKDB_MACROS
from rybbit.store.journal_files import sync_file, sync_folder
from rybbit.store.lake_query import Sources
from rybbit.store.lake_table import PARQUET, DataFile, Snapshot, quoted
from rybbit.store.lake_visits_query import KeptVisits
from rybbit.store.tombstones import NOTHING
from rybbit.store.visit import FIGURES, ORIGINS, TRAITS

if TYPE_CHECKING:
    import duckdb

logger = logging.getLogger(__name__)

# As many visits as a row group of events has, roughly.
_ROW_GROUP = 20_480

_TRAITS = f"concat_ws(chr(0), {', '.join(TRAITS.values())})"
# `varies`: not all events have the same traits; no text holds the character between them. `is_shared`: other
# rows or other files tell of the visit as well. Of two files one was there first, so that the other one's row
# says it.
_PART = f"""
select
  site_id,
  session_id,
  user_hash,
  {", ".join(f"{sql} as {name}" for name, sql in (FIGURES | ORIGINS).items())},
  {", ".join(f"any_value({sql}) as {name}" for name, sql in TRAITS.items())},
  min({_TRAITS}) <> max({_TRAITS}) as varies,
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
# Visits are counted of so many events at a time. Texts of groups stay in memory, so that long ones need a
# second or a third try.
_PART_ROWS = (250_000, 50_000, 10_000)
# Another definition has other names, so that files of the one before are made anew.
_DEFINITION = "".join((_PART, _SHARED, _SHARED_WITH_OTHERS, *DUCKDB_MACROS))
_SUFFIX = f".{sha256(_DEFINITION.encode()).hexdigest()[:8]}.visits"
_FAILED = ".failed"
# Under load there is a new file every few seconds, which will soon be merged with others: a process for each
# would cost a tenth of the machine.
_SHARE = 0.25
_HOUR_S = 3600


class _Flags(NamedTuple):
    is_shared: bool
    varies: bool


class VisitFiles:
    """The folder of kept visits beside a table."""

    def __init__(self, folder: Path, *, least_kept: int, least_asked: int) -> None:
        self.folder = folder
        self._least_kept = least_kept
        self._least_asked = least_asked
        self._flags: dict[str, _Flags] = {}
        self._unused: set[str] = set()

    def find(
        self, cursor: "duckdb.DuckDBPyConnection", snapshot: Snapshot, scope: Scope, sources: Sources
    ) -> KeptVisits | None:
        """Where a question about the visits of a scope finds its answer.

        None if few are kept of it, or something of it is hidden, which kept visits still count.
        """
        if scope.site_id is None or sources.hidden != NOTHING:
            return None
        kept = self._kept() - self._unused
        files = [file for file in snapshot.files if file.path in kept and file.may_hold(scope)]
        if not files or sum(_events_in(file, scope) for file in files) < self._least_asked:
            return None
        known = [(file, flags) for file in files if (flags := self._flags_of(cursor, file.path))]
        if not known:
            return None
        files = [file for file, _ in known]
        old = {str(snapshot.folder / file.path) for file in files}
        return KeptVisits(
            [str(self._path(file.path)) for file in files],
            list(old),
            min(file.min_ms for file in files),
            max(file.max_ms for file in files),
            Sources([path for path in sources.files if path not in old], name="young"),
            Sources((), sources.closed, sources.open),
            has_shared=any(flags.is_shared for _, flags in known),
            has_varying=any(flags.varies for _, flags in known),
        )

    def _kept(self) -> set[str]:
        """The files of events that have their visits beside them."""
        return {name.removesuffix(_SUFFIX) for name in self._names() if name.endswith(_SUFFIX)}

    def _names(self) -> list[str]:
        try:
            with os.scandir(self.folder) as entries:
                return [entry.name for entry in entries]
        except FileNotFoundError:
            return []

    def _flags_of(self, cursor: "duckdb.DuckDBPyConnection", name: str) -> _Flags | None:
        """What is true of some row of a file, which never changes; None if the file is damaged."""
        if name not in self._flags:
            sql = "select bool_or(is_shared), bool_or(varies) from read_parquet($path)"
            rows = self._read(cursor, sql, name)
            if rows is None:
                return None
            self._flags[name] = _Flags(*rows[0])
        return self._flags[name]

    def give_up(self, cursor: "duckdb.DuckDBPyConnection", kept: KeptVisits, error: Exception) -> None:
        """Have damaged files made anew, or else use these no more: only events answered a question."""
        logger.warning("Kept visits gave no answer, but events did: %s", error)
        names = [Path(path).name.removesuffix(_SUFFIX) for path in kept.paths]
        # Counting would not read the values.
        sql = "select max(columns(*)) from read_parquet($path)"
        whole = [name for name in names if self._read(cursor, sql, name)]
        if whole == names:
            self._unused.update(names)

    def _read(self, cursor: "duckdb.DuckDBPyConnection", sql: str, name: str) -> list[Any] | None:
        """Rows from a file; None if it is damaged, and removed, so that it will be made anew."""
        import duckdb

        path = self._path(name)
        try:
            return cursor.execute(sql, {"path": str(path)}).fetchall()
        except (duckdb.OperationalError, duckdb.InterruptException):
            raise
        except duckdb.Error as error:
            logger.warning("A file of kept visits is damaged, and made anew: %s", error)
            path.unlink(missing_ok=True)
            return None

    def has_work(self, snapshot: Snapshot) -> bool:
        """Whether visits of much of the table are to be kept, or some are kept that are not needed."""
        lacking = sum(file.rows for file in self._lacking(snapshot))
        total = sum(file.rows for file in snapshot.files)
        return lacking > _SHARE * total or bool(self._needless(snapshot))

    def _lacking(self, snapshot: Snapshot) -> list[DataFile]:
        present = self._kept() | {name.removesuffix(_FAILED) for name in self._recently_failed()}
        return [file for file in snapshot.files if file.rows >= self._least_kept and file.path not in present]

    def _recently_failed(self) -> list[str]:
        since = time.time() - _HOUR_S
        names = [name for name in self._names() if name.endswith(_FAILED)]
        return [name for name in names if (found := _stat(self.folder / name)) and found.st_mtime > since]

    def _needless(self, snapshot: Snapshot) -> set[str]:
        """What belongs to no file of the table, or is of another definition."""
        belonging = {f"{file.path}{suffix}" for file in snapshot.files for suffix in (_SUFFIX, _FAILED)}
        return set(self._names()) - belonging

    def tidy(self, snapshot: Snapshot) -> None:
        """Remove the visits of files that are not part of the table any more, and what was not finished."""
        for name in self._needless(snapshot):
            (self.folder / name).unlink(missing_ok=True)

    def build(self, cursor: "duckdb.DuckDBPyConnection", snapshot: Snapshot) -> None:
        """Keep what visits are lacking; one file that fails stops no other, and is tried again in an hour."""
        import duckdb

        for file in self._lacking(snapshot):
            try:
                self._build(cursor, snapshot, file)
            except (duckdb.Error, OSError) as error:
                logger.warning("Visits of a file are not kept, and will be counted from events: %s", error)
                (self.folder / f"{file.path}{_FAILED}").touch()

    def _build(self, cursor: "duckdb.DuckDBPyConnection", snapshot: Snapshot, file: DataFile) -> None:
        import duckdb

        self.folder.mkdir(parents=True, exist_ok=True)
        for rows in _PART_ROWS[:-1]:
            try:
                return self._write(cursor, snapshot, file, rows)
            except duckdb.OutOfMemoryException:
                logger.info("Visits take more memory than there is; trying with fewer at a time")
        return self._write(cursor, snapshot, file, _PART_ROWS[-1])

    def _write(
        self, cursor: "duckdb.DuckDBPyConnection", snapshot: Snapshot, file: DataFile, part_rows: int
    ) -> None:
        """Write the visits of a file; readers see all of them or none."""
        source = {"path": str(snapshot.folder / file.path)}
        others = [str(snapshot.folder / each.path) for each in snapshot.files if each != file]
        shared = f"create or replace temp table shared as {_SHARED}"
        if others:
            cursor.execute(shared + _SHARED_WITH_OTHERS, {**source, "others": others})
        else:
            cursor.execute(shared, source)
        begin = "create or replace temp table kept as"
        for first, last in pairwise(_ranges(cursor, source, ceil(file.rows / part_rows))):
            cursor.execute(f"{begin} {_PART}", {**source, "first": first, "last": last - 1})
            begin = "insert into kept"
        path = self._path(file.path)
        temporary = path.with_suffix(".new")
        select = "select * from kept order by site_id, started"
        cursor.execute(f"copy ({select}) to '{quoted(temporary)}' ({PARQUET} {_ROW_GROUP})")
        cursor.execute("drop table kept; drop table shared")
        sync_file(temporary)
        crash_point("rewrite:visits-written")
        temporary.rename(path)
        sync_folder(self.folder)

    def size(self) -> int:
        """How many bytes the folder takes."""
        return sum(found.st_size for name in self._names() if (found := _stat(self.folder / name)))

    def _path(self, name: str) -> Path:
        return self.folder / f"{name}{_SUFFIX}"


def _stat(path: Path) -> os.stat_result | None:
    """What is known of a file; None if the rewriter has just removed it."""
    try:
        return path.stat()
    except FileNotFoundError:
        return None


def _events_in(file: DataFile, scope: Scope) -> float:
    """Roughly how many events of a scope a file has, as if all were of its site."""
    first = file.min_ms if scope.start_ms is None else max(scope.start_ms, file.min_ms)
    last = file.max_ms if scope.end_ms is None else min(scope.end_ms, file.max_ms)
    return file.rows * (last - first + 1) / (file.max_ms - file.min_ms + 1)


def _ranges(cursor: "duckdb.DuckDBPyConnection", source: Mapping[str, str], parts: int) -> list[int]:
    """Where the ids of visits begin and end that are in equal parts of the events of a file."""
    shares = [number / parts for number in range(1, parts)]
    found = []
    if shares:
        sql = "select quantile_disc(session_id, $shares) from read_parquet($path)"
        found = cursor.execute(sql, {**source, "shares": shares}).fetchall()[0][0]
    return [-(2**63), *sorted(set(found)), 2**63]
