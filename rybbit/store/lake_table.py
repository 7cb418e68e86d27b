"""The Delta Lake table under the lake store: its log, its snapshots and its files.

DuckDB writes the Parquet files; the log, which says which files are the table, is deltalake's.
"""

import json
import threading
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import astuple, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

from rybbit import clock
from rybbit.faults import crash_point
from rybbit.locks import FileLock, register_forkable
from rybbit.store import lake_process
from rybbit.store.base import Scope
from rybbit.store.event import COLUMNS, Kind
from rybbit.store.journal_files import sync_file, sync_folder

if TYPE_CHECKING:
    import duckdb
    from deltalake import DeltaTable, Schema

_APP = "rybbit-mover"
_CONFIGURATION = {
    # Only these two: no visitor's id may land in the statistics of the log.
    "delta.dataSkippingStatsColumns": "site_id,timestamp",
    "delta.checkpointInterval": "50",
    "delta.logRetentionDuration": "interval 1 days",
    "delta.deletedFileRetentionDuration": "interval 1 hours",
}
_DELTA_TYPES = {
    Kind.IDENTIFIER: "long",
    Kind.INTEGER: "integer",
    Kind.NUMBER: "double",
    Kind.TEXT: "string",
    Kind.TIME: "timestamp_ntz",
}
# Half of what the engine writes of itself: a day of a busy site is then several, which threads share. Of wide
# events a group has fewer, since whoever writes or reads one holds it in memory.
_ROW_GROUP = 61_440
_ROW_GROUP_BYTES = "row_group_size_bytes '32MB'"
PARQUET = "format parquet, parquet_version v2, compression lz4_raw, row_group_size"
"""How files are written; the number is left out. LZ4 is read faster than Snappy and takes as little room."""


@dataclass(frozen=True, slots=True)
class DataFile:
    """One Parquet file of the table and what the log says of it; times in milliseconds since 1970."""

    path: str
    size: int
    rows: int
    min_site: int
    max_site: int
    min_ms: int
    max_ms: int

    def may_hold(self, scope: Scope) -> bool:
        """Whether an event of the scope can be in this file."""
        if scope.site_id is not None and not self.min_site <= scope.site_id <= self.max_site:
            return False
        if scope.start_ms is not None and self.max_ms < scope.start_ms:
            return False
        return scope.end_ms is None or self.min_ms < scope.end_ms

    def statistics(self) -> str:
        """The same as the log keeps it."""
        low = {"site_id": self.min_site, "timestamp": _iso(self.min_ms)}
        high = {"site_id": self.max_site, "timestamp": _iso(self.max_ms)}
        none = {"site_id": 0, "timestamp": 0}
        return json.dumps({"numRecords": self.rows, "minValues": low, "maxValues": high, "nullCount": none})


@dataclass(frozen=True)
class Snapshot:
    """The table at one version: its files, and the last batch of the journal that is in them."""

    folder: Path
    version: int
    last_batch: int
    files: tuple[DataFile, ...]

    def paths_in(self, scope: Scope) -> list[str]:
        """The files that may hold events of the scope, the oldest events first."""
        files = sorted(self.files, key=lambda file: file.min_ms)
        return [str(self.folder / file.path) for file in files if file.may_hold(scope)]


class LakeTable:
    """The table in one folder, made when it is first needed; safe for threads and processes.

    Who appends holds `writing` from `write` to `commit`, lest `tidy` takes the new file for refuse.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._log = folder / "_delta_log"
        self.writing = FileLock(folder.with_name(f"{folder.name}.write.lock"))
        self._reset()
        register_forkable(self)

    def _reset(self) -> None:
        self._lock = threading.Lock()
        self._table: DeltaTable | None = None
        self._checkpoint: tuple[int, int] | None = None
        self._snapshot = Snapshot(self.folder, -1, 0, ())

    def reset_after_fork(self) -> None:
        """Read the table anew in the child."""
        self._reset()

    def snapshot(self) -> Snapshot:
        """The newest version; costs a look or two at the folder while nothing has changed."""
        with self._lock:
            return self._refresh()

    def _refresh(self) -> Snapshot:
        checkpoint = self._checkpoint_stamp()
        if not self._has_changed(checkpoint):
            return self._snapshot
        if lake_process.is_needed():
            answer = lake_process.ask(self.folder, "read")
            files = tuple(DataFile(*fields) for fields in answer["files"])
            self._snapshot = Snapshot(self.folder, answer["version"], answer["last_batch"], files)
        else:
            self._snapshot = self._read_log(checkpoint)
        self._checkpoint = checkpoint
        return self._snapshot

    def _has_changed(self, checkpoint: tuple[int, int] | None) -> bool:
        if self._snapshot.version < 0:
            return any(self._log.glob("*.json"))
        following = self._log / f"{self._snapshot.version + 1:020d}.json"
        return checkpoint != self._checkpoint or following.exists()

    def _read_log(self, checkpoint: tuple[int, int] | None) -> Snapshot:
        if self._table is None or checkpoint != self._checkpoint:
            # The log may have been cleaned up to the new checkpoint: only a fresh start is sure to work.
            self._table = self._open()
        else:
            self._table.update_incremental()
        return self._read_snapshot(self._table)

    def _checkpoint_stamp(self) -> tuple[int, int] | None:
        try:
            stat = (self._log / "_last_checkpoint").stat()
        except FileNotFoundError:
            return None
        return stat.st_mtime_ns, stat.st_size

    def _open(self) -> "DeltaTable":
        from deltalake import DeltaTable

        return DeltaTable(str(self.folder))

    def _read_snapshot(self, table: "DeltaTable") -> Snapshot:
        actions = table.get_add_actions(flatten=True)
        names = ("path", "size_bytes", "num_records", "min.site_id", "max.site_id")
        columns = [actions.column(name).to_pylist() for name in names]
        times = (
            [
                [_milliseconds(moment) for moment in actions.column(name).to_pylist()]
                for name in ("min.timestamp", "max.timestamp")
            ]
            if len(columns[0])
            else [[], []]
        )
        files = tuple(DataFile(*row) for row in zip(*columns, *times, strict=True))
        return Snapshot(self.folder, table.version(), table.transaction_version(_APP) or 0, files)

    def write(self, cursor: "duckdb.DuckDBPyConnection", select: str, *, name: str) -> list[DataFile]:
        """Write the rows of a select as a file, durably, that is not yet part of the table; [] if none."""
        self._make()
        path = self.folder / f"{name}-{uuid4()}.parquet"
        target = f"'{quoted(path)}' ({PARQUET} {_ROW_GROUP}, {_ROW_GROUP_BYTES}, return_stats)"
        try:
            row = cursor.execute(f"copy ({select}) to {target}").fetchone()
        except BaseException:
            path.unlink(missing_ok=True)
            raise
        _, rows, size, _, statistics, *_ = row or ("", 0, 0, 0, {})
        if not rows:
            path.unlink(missing_ok=True)
            return []
        sync_file(path)
        sync_folder(self.folder)
        site, moment = statistics['"site_id"'], statistics['"timestamp"']
        low, high = (_milliseconds(datetime.fromisoformat(moment[end])) for end in ("min", "max"))
        return [DataFile(path.name, size, rows, int(site["min"]), int(site["max"]), low, high)]

    def commit(
        self,
        added: Sequence[DataFile],
        *,
        removed: Sequence[DataFile] = (),
        batch: int | None = None,
        changes_data: bool = True,
    ) -> None:
        """Make files part of the table, or no longer, in one step.

        Args:
            batch: number of the journal batch that the added files are; recorded in the same step.
            changes_data: False if the same events only lie in other files.
        """
        if lake_process.is_needed():
            new, old = ([astuple(file) for file in files] for files in (added, removed))
            lake_process.ask(
                self.folder, "commit", added=new, removed=old, batch=batch, changes_data=changes_data
            )
            return
        from deltalake import CommitProperties, Transaction
        from deltalake.transaction import AddAction, RemoveAction

        now_ms = clock.now_ms()
        actions: list[AddAction | RemoveAction] = [
            AddAction(file.path, file.size, {}, now_ms, changes_data, file.statistics()) for file in added
        ]
        actions += [RemoveAction(file.path, changes_data, now_ms, file.size, {}) for file in removed]
        transactions = [Transaction(_APP, batch)] if batch is not None else None
        properties = CommitProperties(app_transactions=transactions)
        table = self._open()
        before = table.version()
        table.create_write_transaction(actions, "append", _schema(), commit_properties=properties)
        crash_point("lake:committed")
        self._sync_log(before)

    def _sync_log(self, version: int) -> None:
        """Make the commits and checkpoints after a version durable: deltalake leaves that to the kernel."""
        while (self._log / f"{version + 1:020d}.json").exists():
            version += 1
            for path in self._log.glob(f"{version:020d}.*"):
                # A checkpoint that another process is writing has another name when it is whole.
                with suppress(FileNotFoundError):
                    sync_file(path)
        if (self._log / "_last_checkpoint").exists():
            sync_file(self._log / "_last_checkpoint")
        sync_folder(self._log)

    def _make(self) -> None:
        if any(self._log.glob("*.json")):
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        if lake_process.is_needed():
            lake_process.ask(self.folder, "make")
        else:
            self.make()

    def make(self) -> None:
        """Make the table, durably, unless it exists."""
        from deltalake import DeltaTable

        DeltaTable.create(str(self.folder), _schema(), mode="ignore", configuration=_CONFIGURATION)
        self._sync_log(-1)
        sync_folder(self.folder)
        sync_folder(self.folder.parent)

    def tidy(self, *, erase_hours: int) -> list[str]:
        """Remove files that were replaced at least so many hours ago, and shorten the log.

        Files of that age which never became part of the table go as well.
        """
        if lake_process.is_needed():
            return list(lake_process.ask(self.folder, "tidy", erase_hours=erase_hours))
        with self._lock, self.writing:
            if not any(self._log.glob("*.json")):
                return []
            table = self._open()
            before = table.version()
            removed = table.vacuum(erase_hours, dry_run=False, enforce_retention_duration=False, full=True)
            table = self._open()
            table.create_checkpoint()
            # What the checkpoint replaces may go only when it is on disk.
            self._sync_log(before - 1)
            table.cleanup_metadata()
            return list(removed)


def _schema() -> "Schema":
    from deltalake import Field, Schema
    from deltalake.schema import PrimitiveType

    return Schema([Field(column.name, PrimitiveType(_DELTA_TYPES[column.kind])) for column in COLUMNS])


def quoted(path: Path) -> str:
    """A path as it stands in an SQL text."""
    return str(path).replace("'", "''")


def _iso(milliseconds: int) -> str:
    return clock.from_ms(milliseconds).strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]


def _milliseconds(moment: datetime) -> int:
    seconds = moment.replace(tzinfo=UTC) - datetime.fromtimestamp(0, UTC)
    return seconds.days * 86_400_000 + seconds.seconds * 1000 + seconds.microseconds // 1000
